"""Greeks of any option in the domain, against QuantLib and against difference quotients of exact prices (definitions §3)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
import QuantLib as ql
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from models.pricing import black76
from tests.models.pricing.exact_black76 import exact_greeks

SPOT = 100.0
HOUR = 1 / 8760
FAR = 8.0  # deviations beyond which a density, 1e-15 of that at the money, has lost digits to the rounding of ln(F/K) itself
RELATIVE = 1e-10


class Option(NamedTuple):
    """One option, and the scales that its greeks are small or large against."""

    forward: float
    strike: float
    tau: float
    vol: float
    is_call: bool
    discount: float

    @property
    def s(self) -> float:
        return self.vol * math.sqrt(self.tau)

    @property
    def d1(self) -> float:
        return math.log(self.forward / self.strike) / self.s + self.s / 2

    @property
    def density(self) -> float:
        """DF·F·n(d1), the unit of gamma, vega, theta, vanna and charm."""
        return self.discount * self.forward * math.exp(-self.d1 * self.d1 / 2) / math.sqrt(2 * math.pi)

    def greeks(self) -> dict[str, float]:
        f, k, t, v, df = (np.array([value]) for value in (self.forward, self.strike, self.tau, self.vol, self.discount))
        with_spot = black76.greeks(f, k, t, v, np.array([self.is_call]), df, np.array([SPOT]))._asdict()
        with_spot |= {"vega": black76.vega(f, k, t, v, df), "theta": black76.theta(f, k, t, v, df)}
        return {name: value.item() for name, value in with_spot.items()}

    def rounding(self) -> dict[str, float]:
        """What sixteen digits cannot tell from zero: of one for a delta, of d2 for what is proportional to it."""
        delta = 4e-16 * self.discount * self.forward / SPOT
        of_d2 = 1e-14 * (1 + abs(self.d1) + self.s) * self.density / SPOT
        return {"delta": delta, "gamma": 0, "vega": 0, "theta": 0, "vanna": of_d2 / self.vol, "charm": of_d2 / (2 * self.tau)}


def spread(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(math.log(low), math.log(high)).map(math.exp)


options = st.builds(
    lambda basis, moneyness, tau, vol, is_call, discount: Option(SPOT * basis, SPOT * basis * moneyness, tau, vol, is_call, discount),
    st.floats(0.9, 1.1), spread(0.3, 3), spread(HOUR, 5), spread(0.01, 4), st.booleans(), st.floats(0.8, 1),
)  # fmt: skip
# Most strikes of the domain are many deviations away; these are not.
near = st.builds(
    lambda one, deviations: one._replace(strike=one.forward * math.exp(deviations * one.s)), options, st.floats(-6, 6)
).filter(lambda one: 0.3 <= one.strike / one.forward <= 3)  # fmt: skip


def assert_agree(one: Option, theirs: dict[str, float]) -> None:
    ours, rounding = one.greeks(), one.rounding()
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, rel=RELATIVE, abs=rounding[name]), name


@settings(max_examples=400)
@given(st.one_of(near, options))
@example(Option(100, 100, HOUR, 0.01, True, 1))
@example(Option(100, 100, 5, 4, False, 0.8))
@example(Option(90, 270, 5, 4, True, 0.8))
def test_greeks_agree_with_quantlib(one: Option) -> None:
    assume(abs(one.d1) <= FAR and abs(one.d1 - one.s) <= FAR)
    kind = ql.Option.Call if one.is_call else ql.Option.Put
    payoff = ql.PlainVanillaPayoff(kind, one.strike)
    theirs = ql.BlackCalculator(payoff, one.forward, one.s, one.discount)
    # its theta moves spot and discount along with time: without either, on the forward itself, it is ours
    calculator = ql.BlackCalculator(payoff, one.forward, one.s, 1.0)
    theirs_by_name = {
        "gamma": theirs.gamma(SPOT),
        "vega": theirs.vega(one.tau),
        "theta": one.discount * calculator.thetaPerDay(one.forward, one.tau),
        "vanna": theirs.vanna(SPOT, one.tau),
    }
    # its distribution function is exact to 1e-16 of one: a tail that is smaller has no digits there
    d1_side = one.d1 if one.is_call else -one.d1
    if d1_side > -3:
        theirs_by_name["delta"] = theirs.delta(SPOT)
    assert_agree(one, theirs_by_name)


@settings(max_examples=200)
@given(st.one_of(near, options))
@example(Option(100, 100, HOUR, 0.01, True, 1))
@example(Option(100, 130, 1 / 365, 0.45, True, 1))
@example(Option(100, 70, 1 / 365, 0.45, False, 1))
def test_greeks_are_the_derivatives_of_exact_prices(one: Option) -> None:
    """Also the tails of delta, which no difference of two probabilities has, and charm, which QuantLib does not know."""
    assume(abs(one.d1) <= FAR and abs(one.d1 - one.s) <= FAR)
    exact = exact_greeks(*one, spot=SPOT)
    ours, rounding = one.greeks(), one.rounding() | {"delta": 0.0}
    for name, value in exact.items():
        assert ours[name] == pytest.approx(float(value), rel=RELATIVE, abs=rounding[name]), name
