"""Gamma exposure at 161 spot levels around the current one (definitions §6, spot ladder)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import polars as pl

from models.line_numbers import Indices, numbered
from models.pricing.black76 import Bools, Floats
from models.pricing.forwards import SECONDS_PER_YEAR
from models.rounding import USD

# 0.80 … 1.20 in steps of 0.25 %: each is the double nearest to its decimal number.
SPOT_FACTORS: Floats = np.arange(320, 481) / 400.0
# Lines are processed in chunks whose working arrays (161 levels each) fit the processor's cache.
PIECE = 512
# A contract that could carry this much is a wrong open interest: all of SPX carries 4e11. It also keeps sums of cents within 64 bits.
MOST_USD = 1e13
_LARGEST_SUM = 999_000_000_000_000_000  # cents that DECIMAL(18, 2) can hold, as for single exposures
_SQRT_2PI = math.sqrt(2.0 * math.pi)
_EXACT_BELOW = 2.0**53  # sums of whole numbers by doubles are exact as long as they stay below
SIGNS = {"call": 1, "put": -1}  # the scenario `std`
_LOG_FACTORS = np.log(SPOT_FACTORS)

GAMMA_LADDER = pl.Schema(
    {
        "venue": pl.String(),
        "expires_at": pl.Datetime("us"),
        "spot_factor": pl.Float64(),
        "call_gex_usd_1pct": USD,
        "put_gex_usd_1pct": USD,
    }
)


def gamma_ladder(lines: pl.DataFrame, *, tau_floor_seconds: float) -> pl.DataFrame:
    """Gamma exposure per 1 % move if spot stood at `spot_factor` × spot. One row per venue, expires_at, spot_factor; sorted by them.

    `lines`: what `strike_lines` makes of a snapshot. The forward moves with spot, each strike keeps its volatility, tau is floored.
    Signs of the scenario `std`: calls +, puts −. Each contract is rounded to 0.01 USD at each level and cents are added as integers, so
    that levels of venues and expiries add exactly in any order; at factor 1 it is the sum of `gex_usd_1pct` of `gamma_source = model`.
    A side is null where none of its contracts is measured: open interest not known, or without volatility.
    """
    expiries, expiry = numbered(lines, ["venue", "expires_at"])
    rows = lines
    if (np.diff(expiry) < 0).any():  # several books
        order = np.argsort(expiry, kind="stable")
        rows, expiry = lines[order], expiry[order]
    levels = _Levels(rows, tau_floor_seconds)
    sides = {}
    for side, sign in SIGNS.items():
        oi = rows[f"{side}_oi"].to_numpy()
        with np.errstate(all="ignore"):
            is_priced = (oi > 0) & (levels.most_per_unit * oi < MOST_USD)
        is_measured = np.bincount(expiry, weights=is_priced | (oi == 0), minlength=expiries.height) > 0
        sides[side] = np.where(is_priced, oi, 0.0), np.repeat(is_measured, SPOT_FACTORS.size), sign
    cents = _cents_by_expiry(levels, [oi for oi, _, _ in sides.values()], expiry, expiries.height)
    gex = [
        _usd(sign * totals.ravel(), is_measured).alias(f"{side}_gex_usd_1pct")
        for (side, (_, is_measured, sign)), totals in zip(sides.items(), cents, strict=True)
    ]
    levels_of_all = pl.Series("spot_factor", np.tile(SPOT_FACTORS, expiries.height))
    return expiries[np.repeat(np.arange(expiries.height), SPOT_FACTORS.size)].hstack([levels_of_all, *gex]).cast(GAMMA_LADDER)


class _Levels:
    """Gamma·S² of strike lines at every level, chunk by chunk in bounded memory."""

    def __init__(self, rows: pl.DataFrame, tau_floor_seconds: float) -> None:
        forward, strike, tau, vol, discount = (rows[name].to_numpy() for name in ("forward", "strike", "tau", "iv", "discount"))
        with np.errstate(all="ignore"):
            self.s = vol * np.sqrt(np.maximum(tau, tau_floor_seconds / SECONDS_PER_YEAR))
            self.log_moneyness = np.log(forward / strike)
            self.discounted = discount * forward
            self.most_per_unit = 0.01 * SPOT_FACTORS[-1] * self.discounted / (_SQRT_2PI * self.s)  # NaN without volatility
        self._gamma = np.empty((PIECE, SPOT_FACTORS.size))

    def gamma_s2(self, piece: npt.NDArray[np.intp]) -> Floats:
        """Lines of a chunk (rows) at each level (columns); the next call overwrites it.

        DF·F'·n(d1')/(σ√τ) in the very steps of `black76.spot_free_greeks`, so that factor 1 gives its bits.
        """
        gamma, s = self._gamma[: piece.size], self.s[piece, None]
        np.add(self.log_moneyness[piece, None], _LOG_FACTORS, out=gamma)
        gamma /= s
        gamma += 0.5 * s
        np.multiply(gamma, gamma, out=gamma)
        gamma *= -0.5
        np.exp(gamma, out=gamma)
        gamma /= _SQRT_2PI
        gamma *= self.discounted[piece, None]
        gamma *= SPOT_FACTORS
        gamma /= s
        return gamma


def _cents_by_expiry(levels: _Levels, open_interest: list[Floats], expiry: Indices, expiries: int) -> npt.NDArray[np.int64]:
    """Unsigned cents of exposure by side, expiry, level. Lines come in order of their expiry."""
    cents = np.zeros((len(open_interest), expiries, SPOT_FACTORS.size), dtype=np.int64)
    exposed = np.flatnonzero(np.any(open_interest, axis=0))
    exposure = np.empty((PIECE, SPOT_FACTORS.size))
    for start in range(0, exposed.size, PIECE):
        piece = exposed[start : start + PIECE]
        gamma, each = levels.gamma_s2(piece), exposure[: piece.size]
        firsts = np.flatnonzero(np.diff(expiry[piece], prepend=-1))
        for side, oi in enumerate(open_interest):
            np.multiply(gamma, oi[piece, None], out=each)
            each *= 0.01
            each *= 100.0
            np.rint(each, out=each)
            sums = np.add.reduceat(each, firsts, axis=0)
            if sums.max() >= _EXACT_BELOW:
                sums = np.add.reduceat(each.astype(np.int64), firsts, axis=0)
            cents[side, expiry[piece[firsts]]] += sums.astype(np.int64)
    return cents


def _usd(cents: npt.NDArray[np.int64], is_measured: Bools) -> pl.Series:
    """Integer cents as DECIMAL(18, 2), exactly; null where not measured or beyond the type."""
    measured = pl.Series(cents).set(pl.Series(~is_measured | (np.abs(cents) > _LARGEST_SUM)), None)
    return (measured // 100).cast(USD) + ((measured % 100) / 100).cast(USD)
