"""Black-76 prices and greeks over whole columns (definitions §3).

Everything is a function of the forward; greeks are with respect to spot at constant F/S. Arguments broadcast; arrays in, float64 arrays
out, NaN where an argument is NaN. Every step is elementwise, so a row's result does not depend on other rows.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx, ndtr

Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

DAYS_PER_YEAR = 365.0  # ACT/365 (definitions §2)
_SQRT_2 = math.sqrt(2.0)
_SQRT_2PI = math.sqrt(2.0 * math.pi)


class ScaledPrice(NamedTuple):
    """An out-of-the-money price divided by its upper bound DF·min(F, K), as a function of y = |ln(F/K)| and s = σ√τ."""

    value: Floats  # in [0, 1)
    shortfall: Floats  # 1 - value, without cancellation
    slope: Floats  # d value / ds
    z: Floats  # y / s


def scaled_otm_price(y: Floats, s: Floats) -> ScaledPrice:
    """Scaled out-of-the-money price for y ≥ 0, s > 0: N(s/2 − y/s) − e^y·N(−s/2 − y/s).

    Written with erfcx, which takes the Gaussian factor out of both terms: the tail keeps its relative precision down to the smallest
    double. What is lost is the difference of two close terms, a few times (1 + 1/s + y/s²) roundings: 1e-12 for 1 % over one hour.
    """
    z = y / s
    d = z - 0.5 * s
    gauss = np.exp(-0.5 * d * d)
    near = 0.5 * gauss * erfcx(np.abs(d) / _SQRT_2)
    far = 0.5 * gauss * erfcx((z + 0.5 * s) / _SQRT_2)
    is_below_inflection = d >= 0  # s ≤ √(2y): the price is the small quantity; above it, the shortfall is
    value = np.where(is_below_inflection, near - far, 1.0 - (near + far))
    shortfall = np.where(is_below_inflection, 1.0 - (near - far), near + far)
    return ScaledPrice(value, shortfall, gauss / _SQRT_2PI, z)


def price(forward: Floats, strike: Floats, tau: Floats, vol: Floats, is_call: Bools, discount: Floats) -> Floats:
    """Price in USD per unit of the underlying; the discounted intrinsic value where vol or tau is 0."""
    with np.errstate(all="ignore"):
        s = np.asarray(vol * np.sqrt(tau))
        scaled = np.where(s == 0, 0.0, scaled_otm_price(np.abs(np.log(forward / strike)), s).value)
        return discount * (np.minimum(forward, strike) * scaled + intrinsic(forward, strike, is_call))


def intrinsic(forward: Floats, strike: Floats, is_call: Bools) -> Floats:
    """Undiscounted intrinsic value against the forward."""
    return np.maximum(np.where(is_call, forward - strike, strike - forward), 0.0)


class SpotFreeGreeks(NamedTuple):
    """Greeks multiplied with the spot power that makes them USD: they need no spot and add over venues (definitions §3)."""

    delta_s: Floats  # delta·S: USD per 100 % move
    gamma_s2: Floats  # gamma·S²: USD of delta per 100 % move
    vanna_s: Floats  # vanna·S: USD of delta per 1.00 vol
    charm_s: Floats  # charm·S: USD of delta per year of passing time, F and DF held


def spot_free_greeks(forward: Floats, strike: Floats, tau: Floats, vol: Floats, is_call: Bools, discount: Floats) -> SpotFreeGreeks:
    """Greeks in USD that need no spot; tau is to be floored by the caller."""
    with np.errstate(all="ignore"):
        s = vol * np.sqrt(tau)
        d1 = np.log(forward / strike) / s + 0.5 * s
        d2 = d1 - s
        discounted = discount * forward
        density = discounted * _normal_density(d1)
        sign = np.where(is_call, 1.0, -1.0)
        return SpotFreeGreeks(
            delta_s=sign * discounted * ndtr(sign * d1),
            gamma_s2=density / s,
            vanna_s=-density * d2 / vol,
            charm_s=density * d2 / (2.0 * tau),
        )


class Greeks(NamedTuple):
    """Greeks per contract unit, with respect to spot at constant F/S (definitions §3)."""

    delta: Floats
    gamma: Floats  # per USD
    vanna: Floats  # delta per 1.00 vol
    charm: Floats  # delta per year of passing time, with F, S and DF held


def per_spot(usd: SpotFreeGreeks, spot: Floats) -> Greeks:
    """The greeks with respect to spot."""
    with np.errstate(all="ignore"):
        return Greeks(delta=usd.delta_s / spot, gamma=usd.gamma_s2 / (spot * spot), vanna=usd.vanna_s / spot, charm=usd.charm_s / spot)


def greeks(forward: Floats, strike: Floats, tau: Floats, vol: Floats, is_call: Bools, discount: Floats, spot: Floats) -> Greeks:
    """Delta, gamma, vanna and charm; tau is to be floored by the caller."""
    return per_spot(spot_free_greeks(forward, strike, tau, vol, is_call, discount), spot)


def vega(forward: Floats, strike: Floats, tau: Floats, vol: Floats, discount: Floats) -> Floats:
    """USD per 1.00 vol, the same for call and put; tau is to be floored by the caller."""
    with np.errstate(all="ignore"):
        root = np.sqrt(tau)
        s = vol * root
        return discount * forward * _normal_density(np.log(forward / strike) / s + 0.5 * s) * root


def theta(forward: Floats, strike: Floats, tau: Floats, vol: Floats, discount: Floats) -> Floats:
    """USD per calendar day of passing time with F and DF held, the same for call and put; tau is not floored."""
    with np.errstate(all="ignore"):
        return -vega(forward, strike, tau, vol, discount) * vol / (2.0 * tau * DAYS_PER_YEAR)


def _normal_density(d: Floats) -> Floats:
    return np.exp(-0.5 * d * d) / _SQRT_2PI
