"""Black-76 with sixty decimal digits: slow, and free of every trick of the code under test."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TypeAlias

DIGITS = 60
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798")


def normal_tail(x: Decimal) -> Decimal:
    """P(Z > x) for x ≥ 0: the Taylor series of the density's integral below 8, the continued fraction above."""
    density = (-x * x / 2).exp() / (2 * PI).sqrt()
    if x < 8:
        term = total = x
        n = 1
        while abs(term) > Decimal(10) ** -DIGITS:
            term *= x * x / (2 * n + 1)
            total += term
            n += 1
        return Decimal("0.5") - density * total
    fraction = x
    for n in range(400, 0, -1):
        fraction = x + n / fraction
    return density / fraction


def normal(x: Decimal) -> Decimal:
    return normal_tail(-x) if x <= 0 else 1 - normal_tail(x)


Number: TypeAlias = float | Decimal


def exact_price(forward: Number, strike: Number, tau: Number, vol: Number, is_call: bool, discount: Number = 1.0) -> Decimal:
    """The price of one option whose inputs are exactly these numbers; with s = vol·√tau not rounded."""
    with localcontext() as context:
        context.prec = DIGITS
        f, k, s = Decimal(forward), Decimal(strike), Decimal(vol) * Decimal(tau).sqrt()
        d1 = (f / k).ln() / s + s / 2
        d2 = d1 - s
        value = f * normal(d1) - k * normal(d2) if is_call else k * normal(-d2) - f * normal(-d1)
        return Decimal(discount) * value


STEP = Decimal("1e-12")  # of each argument: its square is far below a double's digits, and sixty digits bear it being divided by


def exact_greeks(forward: float, strike: float, tau: float, vol: float, is_call: bool, discount: float, spot: float) -> dict[str, Decimal]:
    """Delta, gamma, vega, theta (per day), vanna and charm as difference quotients of exact prices (definitions §3)."""
    with localcontext() as context:
        context.prec = DIGITS
        f, t, v, df = Decimal(forward), Decimal(tau), Decimal(vol), Decimal(discount)
        per_spot = f / Decimal(spot)
        move, later, more = STEP * f * v * t.sqrt(), STEP * t, STEP * v

        def price(steps: int = 0, tau: Decimal = t, vol: Decimal = v) -> Decimal:
            return exact_price(f + steps * move, strike, tau, vol, is_call, df)

        def delta(tau: Decimal = t, vol: Decimal = v) -> Decimal:
            return per_spot * (price(1, tau, vol) - price(-1, tau, vol)) / (2 * move)

        return {
            "delta": delta(),
            "gamma": per_spot**2 * (price(1) - 2 * price() + price(-1)) / move**2,
            "vega": (price(vol=v + more) - price(vol=v - more)) / (2 * more),
            "theta": (price(tau=t - later) - price(tau=t + later)) / (2 * later) / 365,
            "vanna": (delta(vol=v + more) - delta(vol=v - more)) / (2 * more),
            "charm": (delta(tau=t - later) - delta(tau=t + later)) / (2 * later),
        }
