"""Smiles and Black-76: the one set of fair values from which both venues' quotes are made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from flows.demo.market.products import Smile
from flows.demo.market.randomness import Floats

YEAR_SECONDS = 31_536_000.0  # ACT/365
TERM_DECAY = 0.25  # years over which a shock to short volatility fades along the term structure


@dataclass(frozen=True)
class Valuation:
    """Fair values of one expiry at each strike; premiums and forward in USD per unit of the underlying."""

    forward: float
    tau: float  # years
    vol: Floats
    call: Floats
    put: Floats
    call_delta: Floats  # with respect to spot
    put_delta: Floats
    gamma: Floats  # 1/USD
    vega: Floats  # per vol point
    call_theta: Floats  # per calendar day
    put_theta: Floats
    call_rho: Floats  # per percentage point
    put_rho: Floats


def at_the_money_vol(smile: Smile, tau: float, stress: float) -> float:
    """ATM volatility of a tenor: short volatility follows the market's stress, long volatility a part of it."""
    short, long = smile.short_vol * stress, smile.long_vol * stress**0.4
    return float(np.sqrt(long**2 + (short**2 - long**2) * np.exp(-tau / TERM_DECAY)))


def smile_vol(smile: Smile, moneyness: Floats, tau: float, stress: float) -> Floats:
    """Volatility at log-moneyness ln(K/F): an SVI curve in deviations, so every tenor has the same shape and no butterfly arbitrage."""
    level = at_the_money_vol(smile, tau, stress)
    away = moneyness / (level * np.sqrt(tau)) - smile.centre
    return np.asarray(level * np.sqrt(smile.level + smile.slope * (smile.tilt * away + np.sqrt(away**2 + smile.width**2))))


def premiums(forward: Floats | float, strikes: Floats, vol: Floats, tau: float, rate: float) -> tuple[Floats, Floats]:
    """Black-76 call and put premiums per unit of the underlying; forwards may differ by strike."""
    discount = np.exp(-rate * tau)
    deviation = vol * np.sqrt(tau)
    d1 = np.log(forward / strikes) / deviation + deviation / 2
    d2 = d1 - deviation
    call = discount * (forward * ndtr(d1) - strikes * ndtr(d2))
    put = discount * (strikes * ndtr(-d2) - forward * ndtr(-d1))
    return np.maximum(call, 0.0), np.maximum(put, 0.0)


def value(spot: float, forward: float, strikes: Floats, vol: Floats, tau: float, rate: float) -> Valuation:
    """Black-76 prices and greeks on a forward; greeks are per unit of spot at a constant forward over spot."""
    discount = np.exp(-rate * tau)
    deviation = vol * np.sqrt(tau)
    d1 = np.log(forward / strikes) / deviation + deviation / 2
    d2 = d1 - deviation
    density = np.exp(-(d1**2) / 2) / np.sqrt(2 * np.pi)
    call, put = premiums(forward, strikes, vol, tau, rate)
    decay = -discount * forward * density * vol / (2 * np.sqrt(tau))
    carry = forward / spot * discount
    return Valuation(
        forward=forward,
        tau=tau,
        vol=vol,
        call=call,
        put=put,
        call_delta=carry * ndtr(d1),
        put_delta=-carry * ndtr(-d1),
        gamma=carry * density / (spot * deviation),
        vega=discount * forward * density * np.sqrt(tau) / 100,
        call_theta=(decay - rate * strikes * discount * ndtr(d2)) / 365,
        put_theta=(decay + rate * strikes * discount * ndtr(-d2)) / 365,
        call_rho=strikes * tau * discount * ndtr(d2) / 100,
        put_rho=-strikes * tau * discount * ndtr(-d2) / 100,
    )
