"""Implied volatility, greeks and USD exposures of every contract of one snapshot (definitions §3, §5)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from models.line_numbers import LINE, LineNumbers, line_numbers
from models.pricing import black76
from models.pricing.black76 import DAYS_PER_YEAR, Floats
from models.pricing.forwards import EXPIRY, SECONDS_PER_YEAR, is_two_sided
from models.pricing.implied_vol import NO_PRICE, REASONS, SOLVED, implied_vol
from models.rounding import USD, round_significant, round_usd

# Where the volatility of a strike comes from, in order of preference; "pair" is the side in the money.
IV_SOURCES = ("venue", "mid", "pair", "mark", "pair_mid", "pair_mark")
# Two more reasons than the solver knows: an American price in the money holds early exercise; without a forward no side is out of it.
IV_REASONS = (*REASONS, "american_itm", "no_forward")
AMERICAN_ITM, NO_FORWARD = len(REASONS), len(REASONS) + 1

# Columns of a quote that are read.
QUOTED = [*LINE, "instrument", "option_type", "exercise", "oi_base", "bid", "ask", "mark", "venue_iv", "venue_gamma"]

OPTION_GREEKS = pl.Schema(
    {
        "venue": pl.String(),
        "instrument": pl.String(),
        "forward": pl.Float64(),  # USD
        "forward_source": pl.String(),
        "tau": pl.Float64(),  # years, not floored
        "iv": pl.Float64(),  # annualised fraction
        "iv_source": pl.String(),
        "iv_reason": pl.String(),  # why there is none
        "delta": pl.Float64(),
        "gamma": pl.Float64(),  # per USD
        "vega": pl.Float64(),  # USD per 1.00 vol
        "theta": pl.Float64(),  # USD per calendar day, F and DF held
        "vanna": pl.Float64(),  # delta per 1.00 vol
        "charm": pl.Float64(),  # delta per year of passing time, F, S and DF held
        "gex_usd_1pct": USD,
        "dex_usd": USD,
        "vex_usd_1vol": USD,
        "chex_usd_day": USD,
    }
)


def option_greeks(
    quotes: pl.DataFrame,
    forwards: pl.DataFrame,
    *,
    lines: LineNumbers | None = None,
    gamma_source: Literal["model", "venue"],
    tau_floor_seconds: float,
    iv_min: float,
    iv_max: float,
) -> pl.DataFrame:
    """Forward, volatility, greeks and exposures per contract, in the order of `quotes`; columns and units as `OPTION_GREEKS`.

    `quotes`: the live contracts of one snapshot with the columns `QUOTED`; `forwards`: what `expiry_forwards` makes of them; `lines`:
    those of the quotes, if available. A venue's volatility counts within [iv_min, iv_max]. Exposures have the sign of the
    scenario `std` (calls +1, puts −1); they are 0 without open interest, null without volatility or when open interest is not known, and
    need no spot unless `gamma_source` is `venue`, which concerns `gex_usd_1pct` only.
    """
    lines = lines or line_numbers(quotes)
    expiries = lines.series.join(forwards.drop("rate"), on=EXPIRY, how="left", maintain_order="left")
    of_line = expiries[lines.of_line].with_columns(strike=lines.strike)
    of_line = of_line.with_columns(_vols(quotes, lines, of_line, iv_min, iv_max))
    forward, strike, tau, vol, discount, spot = (_floats(of_line[name]) for name in ("forward", "strike", "tau", "iv", "discount", "spot"))
    floored = np.maximum(tau, tau_floor_seconds / SECONDS_PER_YEAR)
    # Call and put of a line differ in their delta alone.
    call, put = (
        black76.spot_free_greeks(forward, strike, floored, vol, np.full(strike.shape, is_call), discount) for is_call in (True, False)
    )
    shared = black76.per_spot(call, spot)._asdict() | {
        "vega": black76.vega(forward, strike, floored, vol, discount),
        "theta": black76.theta(forward, strike, tau, vol, discount),
    }
    of_line = of_line.with_columns(pl.Series(name, round_significant(values), nan_to_null=True) for name, values in shared.items())
    line, is_call = lines.of_row, (quotes["option_type"] == "C").to_numpy()
    delta_s = np.where(is_call, call.delta_s[line], put.delta_s[line])
    oi, spots = _floats(quotes["oi_base"]), spot[line]
    gamma_s2 = call.gamma_s2[line] if gamma_source == "model" else _floats(quotes["venue_gamma"]) * spots * spots
    signed_oi = np.where(is_call, oi, -oi)
    exposures = {
        "gex_usd_1pct": gamma_s2 * signed_oi * 0.01,
        "dex_usd": delta_s * signed_oi,
        "vex_usd_1vol": call.vanna_s[line] * signed_oi * 0.01,
        "chex_usd_day": call.charm_s[line] * signed_oi / DAYS_PER_YEAR,
    }
    with np.errstate(all="ignore"):
        delta = round_significant(delta_s / spots)
    return (
        of_line.drop("venue")[line]
        .with_columns(
            quotes["venue"],
            quotes["instrument"],
            pl.Series("delta", delta, nan_to_null=True),
            *(round_usd(np.where(oi == 0, 0.0, values)).alias(name) for name, values in exposures.items()),
        )
        .select(OPTION_GREEKS.names())
    )


def strike_vols(rows: pl.DataFrame, *, iv_min: float, iv_max: float) -> pl.DataFrame:
    """The one volatility of each line, for call and put alike. One row per venue, book, root, expires_at, strike.

    `rows`: quotes with forward, tau and discount. Out: `LINE`, iv (rounded as stored), iv_source, iv_reason (null where there is an iv).
    The out-of-the-money side (put below the forward, else call) comes first: its venue IV, its mid, the other side's venue IV, its mark,
    the other side's mid, then mark. The reason is that of the first of these prices that exists.
    """
    lines = line_numbers(rows)
    keys = lines.series[lines.of_line].with_columns(strike=lines.strike).select(LINE)
    first = rows.select("forward", "tau", "discount")[lines.first(np.ones(rows.height, dtype=np.bool_))]
    return keys.with_columns(_vols(rows, lines, first.with_columns(keys["strike"]), iv_min, iv_max))


def _vols(rows: pl.DataFrame, lines: LineNumbers, of_line: pl.DataFrame, iv_min: float, iv_max: float) -> list[pl.Series]:
    """The results of `strike_vols` per line, in the order of their numbers; `of_line` holds strike, forward, tau and discount of each."""
    is_call, is_american_row = (rows[name].eq(value).to_numpy() for name, value in (("option_type", "C"), ("exercise", "american")))
    call, put = lines.first(is_call), lines.first(~is_call)
    forward, strike, tau, discount = (_floats(of_line[name]) for name in ("forward", "strike", "tau", "discount"))
    is_put = strike < forward
    is_american = is_american_row[lines.first(np.ones(rows.height, dtype=np.bool_))]
    has_forward = np.isfinite(forward)

    def sides(values: Floats) -> tuple[Floats, Floats]:
        """Values of the out-of-the-money side and of the other; NaN if not listed."""
        otm, itm = np.where(is_put, put, call), np.where(is_put, call, put)
        return np.where(otm >= 0, values[otm], np.nan), np.where(itm >= 0, values[itm], np.nan)

    venue_iv = _floats(rows["venue_iv"])
    venue, venue_pair = sides(np.where((venue_iv >= iv_min) & (venue_iv <= iv_max), venue_iv, np.nan))
    is_quoted = rows.select(is_two_sided()).to_series().to_numpy()
    mid, mid_pair = sides(np.where(is_quoted, (_floats(rows["bid"]) + _floats(rows["ask"])) / 2.0, np.nan))
    mark, mark_pair = sides(_floats(rows["mark"]))
    vol = np.full(strike.size, np.nan)
    source = np.full(strike.size, -1)
    reason = np.where(has_forward, NO_PRICE, NO_FORWARD)

    def take(candidate: Floats, name: str) -> None:
        taken = np.isnan(vol) & ~np.isnan(candidate) & has_forward
        vol[taken] = candidate[taken]
        source[taken] = IV_SOURCES.index(name)

    def solve(price: Floats, is_call: npt.NDArray[np.bool_], name: str) -> None:
        wanted = np.flatnonzero(np.isnan(vol) & ~np.isnan(price) & has_forward)
        solved = np.full(vol.shape, np.nan)
        solved[wanted], why = implied_vol(price[wanted], forward[wanted], strike[wanted], tau[wanted], is_call[wanted], discount[wanted])
        reason[wanted] = np.where((reason[wanted] == NO_PRICE) & (why != SOLVED), why, reason[wanted])
        take(solved, name)

    take(venue, "venue")
    solve(mid, ~is_put, "mid")
    take(venue_pair, "pair")
    solve(mark, ~is_put, "mark")
    for price, name in ((mid_pair, "pair_mid"), (mark_pair, "pair_mark")):
        reason[is_american & ~np.isnan(price) & (reason == NO_PRICE)] = AMERICAN_ITM
        solve(np.where(is_american, np.nan, price), is_put, name)
    return [
        pl.Series("iv", round_significant(vol), nan_to_null=True),
        pl.Series("iv_source", [*IV_SOURCES, None]).gather(np.where(source < 0, len(IV_SOURCES), source)),
        pl.Series("iv_reason", IV_REASONS).gather(np.where(np.isnan(vol), reason, SOLVED)),
    ]


def _floats(values: pl.Series) -> Floats:
    """A column as float64 with NaN for null."""
    return values.cast(pl.Float64).to_numpy()
