"""The distribution of the settlement price that an expiry's quotes imply (definitions §7, density)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import polars as pl

from models import black76
from models.black76 import Floats
from models.forwards import EXPIRY
from models.lognormal_mixture import LognormalMixture, kernel_prices
from models.rounding import SIGNIFICANT_DIGITS, round_significant
from models.smile import is_two_sided
from models.strike_lines import ExpiryLines, expiries_of

KERNELS = 61
# Kernels stand on a sinh grid in log-moneyness, close at the forward and wide in the tails. Lengths below are in units of v = atm_iv·√τ.
GRID_CURVATURE = 3.0
GRID_REACH = 4.0  # at least so far to either side
GRID_MARGIN = 1.5  # and so much beyond the quotes
MIN_WIDTH = 0.15  # of a kernel: narrower ones would follow single quotes
QUOTES_REACH = 6.0  # quotes further away are left out
LEAST_ERROR = 0.001  # volatility to which no quote is better known, however narrow
# The same as a share of the forward, far below any tick: a locked quote without vega would outweigh the rows that hold mass and mean.
LEAST_PRICE_ERROR = 1e-6
SMOOTHNESS = 3.0
CONSTRAINT_WEIGHT = 1e4  # of the rows that hold mass and mean
MIN_QUOTES = 8
MIN_INSIDE_SHARE = 0.8  # of the quotes that the fitted prices must keep to
MIN_QUOTED_MASS = 0.8  # between the lowest and the highest strike used: more than this in the tails would be invented
MAX_ITERATIONS = 100 * KERNELS

# Why there is no density; further reasons are those of the at-the-money volatility.
FEW_QUOTES, NOT_FITTED, OUTSIDE_QUOTES, UNQUOTED_TAILS = "few_quotes", "not_fitted", "outside_bid_ask", "unquoted_tails"

DENSITY_SUMMARY = pl.Schema(
    {
        "venue": pl.String(),
        "book": pl.String(),
        "expires_at": pl.Datetime("us"),
        "density_reason": pl.String(),
        "density_quotes": pl.Int32(),
        "density_inside_share": pl.Float64(),
        "density_quoted_mass": pl.Float64(),
        "density_left_tail": pl.Float64(),
        "density_right_tail": pl.Float64(),
        "density_mean": pl.Float64(),
        "density_log_sd": pl.Float64(),
        "density_log_skewness": pl.Float64(),
        "density_log_excess_kurtosis": pl.Float64(),
    }
)

IMPLIED_DENSITY = pl.Schema(
    {
        "venue": pl.String(),
        "book": pl.String(),
        "expires_at": pl.Datetime("us"),
        "kernel": pl.Int8(),
        "mean": pl.Float64(),  # USD
        "width": pl.Float64(),  # standard deviation of the logarithm
        "weight": pl.Float64(),
    }
)


class _Quotes(NamedTuple):
    """Two-sided out-of-the-money quotes of one expiry, undiscounted."""

    strike: Floats
    bid: Floats
    ask: Floats
    vega: Floats


class _Fit(NamedTuple):
    """What was measured of one expiry, as far as it went."""

    reason: str | None
    quotes: int
    inside_share: float = math.nan
    left_tail: float = math.nan
    right_tail: float = math.nan
    mixture: LognormalMixture | None = None


def implied_density(lines: pl.DataFrame, smile: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Densities of one snapshot: one row per expiry as `DENSITY_SUMMARY`, and their kernels as `IMPLIED_DENSITY`.

    `lines`: what `strike_lines` makes of a snapshot; `smile`: what `expiry_smile` makes of them. Both results are sorted by venue, book,
    expires_at (and kernel). Without a density `density_reason` says why, its moments are null and it has no kernels; the share of quotes
    inside bid–ask, the mass over quoted strikes and both tails stay, being the evidence. `density_mean` is in USD and equals
    the forward; standard deviation, skewness and excess kurtosis are those of ln(settlement / forward), a flat smile having 0 for both.
    """
    at_the_money = {tuple(row[:3]): (row[3], row[4]) for row in smile.select(*EXPIRY, "atm_iv", "atm_iv_reason").iter_rows()}
    rows: list[dict[str, object]] = []
    mixtures: list[tuple[ExpiryLines, LognormalMixture]] = []
    for expiry in expiries_of(lines):
        atm_iv, why_not = at_the_money[expiry.venue, expiry.book, expiry.expires_at]
        fit = _Fit(why_not, 0) if atm_iv is None else _fit(expiry, atm_iv)
        rows.append(expiry.key | _summary(fit, expiry.forward))
        if fit.mixture is not None:
            mixtures.append((expiry, fit.mixture))
    summary = pl.DataFrame(rows, schema=DENSITY_SUMMARY)
    floats = [name for name, dtype in DENSITY_SUMMARY.items() if dtype == pl.Float64]
    summary = summary.with_columns(pl.Series(name, round_significant(summary[name].to_numpy()), nan_to_null=True) for name in floats)
    return summary, _kernel_rows(mixtures)


def probability_between(kernels: pl.DataFrame, low: float, high: float) -> pl.DataFrame:
    """Probability that each expiry settles above `low` and at most at `high` (USD; 0 and infinity are allowed).

    `kernels`: rows of `IMPLIED_DENSITY`. One row per venue, book, expires_at that has a density, in their order: probability.
    """
    rows = []
    for (venue, book, expires_at), of_expiry in kernels.group_by(EXPIRY, maintain_order=True):
        mixture = LognormalMixture(*(of_expiry[name].to_numpy() for name in ("mean", "width", "weight")))
        below = mixture.probability_below(np.maximum([low, high], 0.0))
        rows.append((venue, book, expires_at, max(float(below[1] - below[0]), 0.0)))
    schema = {name: IMPLIED_DENSITY[name] for name in EXPIRY} | {"probability": pl.Float64()}
    found = pl.DataFrame(rows, schema=schema, orient="row")
    return found.with_columns(pl.Series("probability", round_significant(found["probability"].to_numpy())))


def _fit(expiry: ExpiryLines, atm_iv: float) -> _Fit:
    v = atm_iv * math.sqrt(expiry.tau)
    quotes = _quotes(expiry, atm_iv)
    count = quotes.strike.size
    if count < MIN_QUOTES:
        return _Fit(FEW_QUOTES, count)
    with np.errstate(all="ignore"):  # what leaves double precision is `not_fitted`
        mixture = _mixture(quotes, expiry.forward, v)
    if mixture is None:
        return _Fit(NOT_FITTED, count)
    prices = mixture.prices(quotes.strike, quotes.strike < expiry.forward)
    inside_share = float(np.mean((quotes.bid <= prices) & (prices <= quotes.ask)))
    below_lowest, below_highest = mixture.probability_below(quotes.strike[[0, -1]]).tolist()
    reason = None
    if inside_share < MIN_INSIDE_SHARE:
        reason = OUTSIDE_QUOTES
    elif below_highest - below_lowest < MIN_QUOTED_MASS:
        reason = UNQUOTED_TAILS
    return _Fit(reason, count, inside_share, below_lowest, 1.0 - below_highest, mixture if reason is None else None)


def _quotes(expiry: ExpiryLines, atm_iv: float) -> _Quotes:
    strike, forward = expiry.strike, expiry.forward
    is_put = strike < forward
    bid, ask = np.where(is_put, expiry.put_bid, expiry.call_bid), np.where(is_put, expiry.put_ask, expiry.call_ask)
    is_near = np.abs(np.log(strike / forward)) < QUOTES_REACH * atm_iv * math.sqrt(expiry.tau)
    used = is_two_sided(bid, ask) & is_near
    strike, vol = strike[used], expiry.iv[used]
    vol = np.where(np.isfinite(vol), vol, atm_iv)
    one = np.ones_like(strike)
    vega = black76.vega(forward * one, strike, expiry.tau * one, vol, one)
    return _Quotes(strike, bid[used] / expiry.discount, ask[used] / expiry.discount, vega)


def _mixture(quotes: _Quotes, forward: float, v: float) -> LognormalMixture | None:
    """The smoothest mixture of non-negative weights near the quotes, of mass one and mean `forward`; None where none is found."""
    from scipy.optimize import nnls

    log_mean, spacing = _grid(np.log(quotes.strike[[0, -1]] / forward), v)
    means, widths = np.exp(log_mean), np.maximum(spacing, MIN_WIDTH * v)  # in units of the forward
    half_spread = 0.5 * (quotes.ask - quotes.bid)
    error = np.maximum(np.maximum(half_spread, LEAST_ERROR * quotes.vega), LEAST_PRICE_ERROR * forward)
    weight = 1.0 / (error * math.sqrt(quotes.strike.size))
    prices = kernel_prices(quotes.strike, quotes.strike < forward, forward * means, widths)
    mids = 0.5 * (quotes.bid + quotes.ask)
    bends = np.diff(np.diag(v / spacing), n=2, axis=0)  # second differences of the density in log-moneyness
    ones = np.ones((1, KERNELS))
    rows = np.vstack([prices * weight[:, None], SMOOTHNESS * bends, CONSTRAINT_WEIGHT * ones, CONSTRAINT_WEIGHT * means[None]])
    aims = np.concatenate([mids * weight, np.zeros(len(bends)), [CONSTRAINT_WEIGHT, CONSTRAINT_WEIGHT]])
    try:
        found, _ = nnls(rows, aims, maxiter=MAX_ITERATIONS)
    except (RuntimeError, ValueError):  # no convergence; numbers beyond double precision
        return None
    if not found.sum() > 0:
        return None
    weights = _whole(found / found.sum())
    means *= forward / np.sum(weights * means)  # the row of the mean leaves an error of about 1e-7
    mixture = LognormalMixture(round_significant(means), round_significant(widths), weights)
    return mixture if np.isfinite(mixture).all() and (means > 0).all() else None


def _whole(weights: Floats) -> Floats:
    """Weights to twelve decimals that add up to one exactly: the largest takes what rounding leaves."""
    units = np.rint(weights * 10.0**SIGNIFICANT_DIGITS).astype(np.int64)
    units[np.argmax(units)] += 10**SIGNIFICANT_DIGITS - units.sum()
    return np.asarray(units / 10.0**SIGNIFICANT_DIGITS, dtype=np.float64)


def _grid(quoted: Floats, v: float) -> tuple[Floats, Floats]:
    """Log-moneyness of the kernels, and their spacing: from the forward as far as needed on either side."""
    low = min(-GRID_REACH * v, float(quoted[0])) - GRID_MARGIN * v
    high = max(GRID_REACH * v, float(quoted[1])) + GRID_MARGIN * v
    steps = np.linspace(-1.0, 1.0, KERNELS)
    shape = np.sinh(GRID_CURVATURE * steps) / math.sinh(GRID_CURVATURE)
    log_mean = np.where(steps < 0, -low, high) * shape
    return log_mean, np.gradient(log_mean)


def _summary(fit: _Fit, forward: float) -> dict[str, object]:
    row: dict[str, object] = {
        "density_reason": fit.reason,
        "density_quotes": fit.quotes,
        "density_inside_share": fit.inside_share,
        "density_quoted_mass": 1.0 - fit.left_tail - fit.right_tail,
        "density_left_tail": fit.left_tail,
        "density_right_tail": fit.right_tail,
    }
    if fit.mixture is not None:
        moments = fit.mixture.log_moments(forward)
        row |= {
            "density_mean": float(np.sum(fit.mixture.weights * fit.mixture.means)),
            "density_log_sd": moments.sd,
            "density_log_skewness": moments.skewness,
            "density_log_excess_kurtosis": moments.excess_kurtosis,
        }
    return row


def _kernel_rows(mixtures: list[tuple[ExpiryLines, LognormalMixture]]) -> pl.DataFrame:
    if not mixtures:
        return pl.DataFrame(schema=IMPLIED_DENSITY)
    keys = pl.DataFrame([expiry.key for expiry, _ in mixtures], schema={name: IMPLIED_DENSITY[name] for name in EXPIRY})
    rows = keys.join(pl.DataFrame({"kernel": range(KERNELS)}), how="cross", maintain_order="left_right")
    means, widths, weights = (np.concatenate(column) for column in zip(*(mixture for _, mixture in mixtures), strict=True))
    return rows.with_columns(mean=means, width=widths, weight=weights).cast(IMPLIED_DENSITY)
