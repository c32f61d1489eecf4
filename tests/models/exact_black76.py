"""Black-76 with sixty decimal digits: slow, and free of every trick of the code under test."""

from __future__ import annotations

from decimal import Decimal, localcontext

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


def exact_price(forward: float, strike: float, tau: float, vol: float, is_call: bool, discount: float = 1.0) -> Decimal:
    """The price of one option whose inputs are exactly these doubles; with s = vol·√tau not rounded."""
    with localcontext() as context:
        context.prec = DIGITS
        f, k, s = Decimal(forward), Decimal(strike), Decimal(vol) * Decimal(tau).sqrt()
        d1 = (f / k).ln() / s + s / 2
        d2 = d1 - s
        value = f * normal(d1) - k * normal(d2) if is_call else k * normal(-d2) - f * normal(-d1)
        return Decimal(discount) * value
