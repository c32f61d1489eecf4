"""At-the-money volatility, straddle, 25-delta volatilities and expected moves of each expiry (definitions §7)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from scipy.special import ndtr

from models.pricing import black76
from models.pricing.black76 import Bools, Floats
from models.pricing.strike_lines import ExpiryLines, expiries_of
from models.rounding import round_significant

TARGET_DELTA = 0.25
DEVIATIONS = 2.0
# The mean absolute deviation of a normal variable is √(2/π) of its standard deviation: a straddle is worth the former.
STRADDLE_TO_DEVIATION = math.sqrt(math.pi / 2.0)
# Two strikes as near the forward as this, relative to it, are tied: a forward is known to twelve digits.
SAME_DISTANCE = 1e-11

# Why a number is missing.
NO_FORWARD, SETTLED, NO_IV = "no_forward", "settled", "no_iv"
NO_BRACKET = "no_bracket"  # no two neighbouring strikes with a volatility around the forward, or around the delta

EXPIRY_SMILE = pl.Schema(
    {
        "venue": pl.String(),
        "book": pl.String(),
        "expires_at": pl.Datetime("us"),
        "spot": pl.Float64(),
        "forward": pl.Float64(),
        "forward_source": pl.String(),
        "tau": pl.Float64(),
        "discount": pl.Float64(),
        "oi_base": pl.Float64(),
        "atm_strike": pl.Float64(),
        "straddle": pl.Float64(),
        "straddle_source": pl.String(),
        "straddle_reason": pl.String(),
        "straddle_1sd": pl.Float64(),
        "straddle_2sd": pl.Float64(),
        "atm_iv": pl.Float64(),
        "atm_iv_reason": pl.String(),
        "put_25d_iv": pl.Float64(),
        "put_25d_reason": pl.String(),
        "call_25d_iv": pl.Float64(),
        "call_25d_reason": pl.String(),
        "skew_25d": pl.Float64(),
        "risk_reversal_25d": pl.Float64(),
        "butterfly_25d": pl.Float64(),
        "expected_move_1sd": pl.Float64(),
        "expected_move_2sd": pl.Float64(),
    }
)


class Measured(NamedTuple):
    """A number, or NaN and the reason why there is none."""

    value: float
    reason: str | None = None


def expiry_smile(lines: pl.DataFrame) -> pl.DataFrame:
    """Smile numbers of one snapshot, as `EXPIRY_SMILE`. One row per venue, book, expires_at; sorted by them.

    `lines`: what `strike_lines` makes of it. IV as annualised fraction; forward, straddle and moves in USD; tau in years, not floored.
    `straddle_1sd` is the deviation that the straddle's price implies, `expected_move_1sd` the one of `atm_iv`. A null volatility or
    straddle has a reason; what follows from it (skew, moves) is null with it, the moves also without spot.
    """
    rows = [_smile_of(expiry) for expiry in expiries_of(lines)]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in EXPIRY_SMILE}
    floats = [name for name, dtype in EXPIRY_SMILE.items() if dtype == pl.Float64 and name not in ("spot", "tau")]
    columns |= zip(floats, round_significant([columns[name] for name in floats]), strict=True)
    return pl.DataFrame([pl.Series(name, columns[name], dtype, nan_to_null=dtype == pl.Float64) for name, dtype in EXPIRY_SMILE.items()])


def _smile_of(expiry: ExpiryLines) -> dict[str, object]:
    strike, iv = _points(expiry)
    atm = at_the_forward(strike, iv, expiry.forward, expiry.tau)
    is_put = strike < expiry.forward
    put, call = (quarter_delta_iv(strike[side], iv[side], expiry.forward, expiry.tau) for side in (is_put, ~is_put))
    atm_strike, straddle, source = straddle_of(expiry)
    move = expiry.spot * atm.value * math.sqrt(max(expiry.tau, 0.0))
    straddle_move = straddle.value / expiry.discount * STRADDLE_TO_DEVIATION * expiry.spot / expiry.forward
    open_interest = np.concatenate([expiry.call_oi, expiry.put_oi])
    known_oi = open_interest[~np.isnan(open_interest)].tolist()
    return {
        **expiry.key,
        "spot": expiry.spot,
        "forward": expiry.forward,
        "forward_source": expiry.forward_source,
        "tau": expiry.tau,
        "discount": expiry.discount,
        "oi_base": math.fsum(known_oi) if known_oi else math.nan,
        "atm_strike": atm_strike,
        "straddle": straddle.value,
        "straddle_source": source,
        "straddle_reason": straddle.reason,
        "straddle_1sd": straddle_move,
        "straddle_2sd": DEVIATIONS * straddle_move,
        "atm_iv": atm.value,
        "atm_iv_reason": atm.reason,
        "put_25d_iv": put.value,
        "put_25d_reason": put.reason,
        "call_25d_iv": call.value,
        "call_25d_reason": call.reason,
        "skew_25d": put.value - call.value,
        "risk_reversal_25d": call.value - put.value,
        "butterfly_25d": 0.5 * (put.value + call.value) - atm.value,
        "expected_move_1sd": move,
        "expected_move_2sd": DEVIATIONS * move,
    }


def _points(expiry: ExpiryLines) -> tuple[Floats, Floats]:
    """Ascending strikes that have a volatility, and it; of roots that share a strike the first."""
    has_iv = np.isfinite(expiry.iv)
    strike, first = np.unique(expiry.strike[has_iv], return_index=True)
    return strike, expiry.iv[has_iv][first]


def at_the_forward(strike: Floats, iv: Floats, forward: float, tau: float) -> Measured:
    """Volatility at the forward: linear in log-strike between the neighbours on either side. Ascending strikes, all with a volatility."""
    reason = _missing(strike, forward, tau)
    if reason:
        return Measured(math.nan, reason)
    above = int(np.searchsorted(strike, forward))  # the first strike at or above it
    if above < strike.size and strike[above] == forward:
        return Measured(float(iv[above]))
    if above in (0, strike.size):
        return Measured(math.nan, NO_BRACKET)
    low, high = math.log(strike[above - 1]), math.log(strike[above])
    share = (math.log(forward) - low) / (high - low)
    return Measured(float(iv[above - 1] + share * (iv[above] - iv[above - 1])))


def quarter_delta_iv(strike: Floats, iv: Floats, forward: float, tau: float) -> Measured:
    """Volatility where the forward delta of one side is a quarter: linear in delta between the first neighbours that bracket it.

    Ascending out-of-the-money strikes of one side, all with a volatility: puts below the forward, calls from it on. Delta is Black-76
    without discount. Pairs are tried from the forward outwards; nothing is extrapolated.
    """
    reason = _missing(strike, forward, tau)
    if reason:
        return Measured(math.nan, reason)
    is_put = strike[0] < forward
    outwards = slice(None, None, -1) if is_put else slice(None)
    strike, iv = strike[outwards], iv[outwards]
    s = iv * math.sqrt(tau)
    d1 = np.log(forward / strike) / s + 0.5 * s
    delta = ndtr(-d1 if is_put else d1)
    low, high = np.minimum(delta[:-1], delta[1:]), np.maximum(delta[:-1], delta[1:])
    brackets = np.flatnonzero((low <= TARGET_DELTA) & (high >= TARGET_DELTA))
    if brackets.size == 0:
        return Measured(math.nan, NO_BRACKET)
    near = int(brackets[0])
    if delta[near] == delta[near + 1]:
        return Measured(float(iv[near]))
    share = (TARGET_DELTA - delta[near]) / (delta[near + 1] - delta[near])
    return Measured(float(iv[near] + share * (iv[near + 1] - iv[near])))


def straddle_of(expiry: ExpiryLines) -> tuple[float, Measured, str | None]:
    """The at-the-money strike, its straddle in USD, and whether that is from `quotes` or from the `model`.

    The strike nearest the forward of which both sides have two-sided quotes; without one the strike nearest the forward, priced with
    its volatility; the lower of two as near.
    """
    if not expiry.forward > 0:
        return math.nan, Measured(math.nan, NO_FORWARD), None
    both = is_two_sided(expiry.call_bid, expiry.call_ask) & is_two_sided(expiry.put_bid, expiry.put_ask)
    if both.any():
        at = int(np.flatnonzero(both)[_nearest(expiry.strike[both], expiry.forward)])
        mids = 0.5 * (expiry.call_bid[at] + expiry.call_ask[at]) + 0.5 * (expiry.put_bid[at] + expiry.put_ask[at])
        return float(expiry.strike[at]), Measured(float(mids)), "quotes"
    at = _nearest(expiry.strike, expiry.forward)
    strike = float(expiry.strike[at])
    if not expiry.tau > 0:
        return strike, Measured(math.nan, SETTLED), None
    vol = expiry.iv[(expiry.strike == strike) & np.isfinite(expiry.iv)][:1]
    if vol.size == 0:
        return strike, Measured(math.nan, NO_IV), None
    market = (np.array([expiry.forward]), np.array([strike]), np.array([expiry.tau]), vol)
    prices = (black76.price(*market, np.array([is_call]), np.array([expiry.discount])).item() for is_call in (True, False))
    return strike, Measured(sum(prices)), "model"


def is_two_sided(bid: Floats, ask: Floats) -> Bools:
    """Whether quotes have both sides, as `models.pricing.forwards.is_two_sided`; false for NaN."""
    return (bid > 0) & (ask >= bid) & np.isfinite(ask)


def _nearest(strike: Floats, forward: float) -> int:
    distance = np.abs(strike - forward)
    return int(np.argmax(distance <= distance.min() + SAME_DISTANCE * forward))


def _missing(strike: Floats, forward: float, tau: float) -> str | None:
    """Why an expiry has no smile."""
    if not forward > 0:
        return NO_FORWARD
    if not tau > 0:
        return SETTLED
    return NO_IV if strike.size == 0 else None
