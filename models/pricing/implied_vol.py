"""Black-76 implied volatility of whole columns (definitions §3).

Prices are brought to the out-of-the-money side and scaled to (0, 1). A closed-form guess, good to 4 % at worst and mostly to 0.1 %, is
followed by Householder steps of fourth order on the logarithm of the scaled price, or of its distance to 1 when it is above a half: both
are nearly linear where the price itself is not. Usually two evaluations suffice. The transformations follow P. Jäckel, "Let's be rational"
(2015) and "Implied normal volatility" (2017). Every step is elementwise and every row stops by its own criterion, so that a row's
result is bit for bit the same in any batch.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from models.pricing.black76 import Bools, Floats, intrinsic, scaled_otm_price

# Why there is no volatility: what `reason` counts.
SOLVED, NO_PRICE, BELOW_INTRINSIC, ABOVE_BOUND = range(4)
REASONS: tuple[str | None, ...] = (None, "no_price", "below_intrinsic", "above_bound")

# Less time value than this share of the forward is rounding, not a price.
MIN_TIME_VALUE = 1e-12
# A step of this relative size leaves an error of about its fourth power.
STEP_IS_SMALL = 1e-4
# Four were the most ever needed, with strikes from 1e-260 to 1e260 times the forward.
MAX_STEPS = 12
# Rows are processed in chunks whose working arrays fit the processor's cache: three times as fast as whole columns.
PIECE = 8192
# ln(F/K) = 0 would divide 0 by 0; this distance is below any rounding.
SMALLEST_DISTANCE = 1e-290
_1_OVER_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)


def implied_vol(
    price: Floats, forward: Floats, strike: Floats, tau: Floats, is_call: Bools, discount: Floats
) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Implied volatility of each option, with the reason where there is none.

    One-dimensional arrays of one length (scalars broadcast): price in USD per unit, tau in years, discount factor. Returns the
    volatility as annualised fraction, NaN without one, and a code into `REASONS`: `no_price` (missing or not positive, or forward,
    strike, tau or discount not positive), `below_intrinsic` (less time value than 1e-12 of the forward), `above_bound` (at or above
    DF·F for a call, DF·K for a put). The error is at most max(1e-9, 4·ulp(price)/(σ·vega)) on out-of-the-money prices.
    """
    columns = np.broadcast_arrays(*np.atleast_1d(price, forward, strike, tau, is_call, discount))
    vol = np.full(columns[0].shape, np.nan)
    reason = np.zeros(columns[0].shape, dtype=np.int8)
    with np.errstate(all="ignore"):
        for start in range(0, vol.size, PIECE):
            piece = slice(start, start + PIECE)
            vol[piece], reason[piece] = _solve(*(column[piece] for column in columns))
    return vol, reason


def _solve(
    price: Floats, forward: Floats, strike: Floats, tau: Floats, is_call: Bools, discount: Floats
) -> tuple[Floats, npt.NDArray[np.int8]]:
    time_value = price - discount * intrinsic(forward, strike, is_call)
    scaled = time_value / (discount * np.minimum(forward, strike))
    is_price = (price > 0) & (forward > 0) & (strike > 0) & (tau > 0) & (discount > 0) & np.isfinite(forward * strike * tau * discount)
    reason = np.select(
        [~is_price, time_value <= MIN_TIME_VALUE * forward, ~(scaled < 1)], [NO_PRICE, BELOW_INTRINSIC, ABOVE_BOUND], SOLVED
    ).astype(np.int8)
    solvable = np.flatnonzero(reason == SOLVED)
    y = np.maximum(np.abs(np.log(forward[solvable] / strike[solvable])), SMALLEST_DISTANCE)
    vol = np.full(price.shape, np.nan)
    vol[solvable] = _total_vol(y, scaled[solvable]) / np.sqrt(tau[solvable])
    return vol, reason


def _total_vol(y: Floats, scaled: Floats) -> Floats:
    """The s = σ√τ at which the scaled out-of-the-money price is `scaled`."""
    s = _guess(y, scaled)
    open_rows = np.arange(s.size)
    for _ in range(MAX_STEPS):
        before = s[open_rows]
        s[open_rows] = _step(y[open_rows], before, scaled[open_rows])
        open_rows = open_rows[~(np.abs(s[open_rows] - before) <= STEP_IS_SMALL * before)]
        if open_rows.size == 0:
            break
    return s


def _guess(y: Floats, scaled: Floats) -> Floats:
    """Closed-form guess: by the normal model below half of the bound, by the distance to the bound above."""
    # In the normal model the time value over the moneyness is n(x)/x − N(−x), x = moneyness over total normal volatility. Its inverse
    # is fitted to 0.3 % from 1e-300 to the money: exact limits at both ends, times a ratio of two quadratics.
    to_geometric_mean = np.exp(-0.5 * y)  # min(F, K) over √(F·K), the unit in which both models agree best
    moneyness = 2.0 * np.sinh(0.5 * y)
    r = np.log1p(_1_OVER_SQRT_2PI * moneyness / (scaled * to_geometric_mean))
    x = r / np.sqrt(1.0 + 0.5 * r) * (1.0 + r * (0.83523 + r * 0.18681)) / (1.0 + r * (1.31972 + r * 0.18770))
    normal = moneyness / x
    low = y / x * (1.0 + normal * normal / 24.0)  # first-order correction from normal to lognormal volatility
    # Strikes thousands of times the forward are too far for it; √(2y) is where the price is steepest, half the bound lies within 1.5 of it.
    low = np.minimum(low, np.sqrt(2.0 * y) + 1.5)
    # Far above, 1 − price tends to 2·N(−s/2), damped by exp(−(y/s)²/2) in units of √(F·K).
    half_shortfall = 0.5 * (1.0 - scaled) * to_geometric_mean
    high = -2.0 * ndtri(half_shortfall)
    high = -2.0 * ndtri(np.minimum(half_shortfall * np.exp(0.5 * (y / high) ** 2), 0.4))  # 0.4: keeps the guess above 0.5
    guess: Floats = np.where(scaled > 0.5, high, low)
    return guess


def _step(y: Floats, s: Floats, scaled: Floats) -> Floats:
    """One Householder step of fourth order on ln(price), above half of the bound on ln(1 − price)."""
    at = scaled_otm_price(y, s)
    is_high = scaled > 0.5
    value = np.where(is_high, at.shortfall, at.value)
    first = np.where(is_high, -at.slope, at.slope) / value
    newton = np.log(value / np.where(is_high, 1.0 - scaled, scaled)) / -first
    # Ratios of the price's own second and third derivative in s to its first, then those of its logarithm.
    second_own = at.z * at.z / s - 0.25 * s
    third_own = second_own * second_own - 3.0 * (at.z / s) ** 2 - 0.25
    second = second_own - first
    third = third_own - 3.0 * second_own * first + 2.0 * first * first
    to = s + newton * (1.0 + 0.5 * second * newton) / (1.0 + newton * (second + third * newton / 6.0))
    return np.where(to < 2.0 * s, np.maximum(to, 0.5 * s), np.where(newton < 0, 0.5 * s, 2.0 * s))  # also where a step is not a number
