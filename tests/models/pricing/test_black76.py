"""Black-76 against QuantLib, exact arithmetic, finite differences and what venues publish (definitions §3)."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import numpy as np
import pytest
import QuantLib as ql
from hypothesis import given
from hypothesis import strategies as st

from models.pricing import black76
from models.pricing.black76 import Bools, Floats
from tests.models.pricing.exact_black76 import exact_price

SPOT = 7500.0
GRID = np.array(
    list(product([0.3, 0.8, 0.97, 1.0, 1.02, 1.25, 3.0], [1 / 8760, 1 / 365, 0.1, 1.0, 5.0], [0.01, 0.1, 0.45, 1.5, 4.0], [0.96, 1.03])),
)
MONEYNESS, TAU, VOL, BASIS = (np.ascontiguousarray(column) for column in GRID.T)
FORWARD = SPOT * BASIS
STRIKE = FORWARD * MONEYNESS
DISCOUNT = np.exp(-0.04 * TAU)
OTM_CALL = STRIKE >= FORWARD
CALLS, PUTS = np.ones(FORWARD.shape, dtype=bool), np.zeros(FORWARD.shape, dtype=bool)


def prices(is_call: Bools) -> Floats:
    return black76.price(FORWARD, STRIKE, TAU, VOL, is_call, DISCOUNT)


def greeks(is_call: Bools, forward: Floats = FORWARD, spot: float = SPOT, vol: Floats = VOL, tau: Floats = TAU) -> black76.Greeks:
    return black76.greeks(forward, STRIKE, tau, vol, is_call, DISCOUNT, np.full(FORWARD.shape, spot))


@pytest.mark.parametrize("is_call", [CALLS, PUTS])
def test_prices_and_greeks_agree_with_quantlib(is_call: Bools) -> None:
    kind = ql.Option.Call if is_call[0] else ql.Option.Put
    rows = list(zip(STRIKE, FORWARD, VOL * np.sqrt(TAU), DISCOUNT, TAU, strict=True))
    theirs = [(ql.BlackCalculator(ql.PlainVanillaPayoff(kind, k), f, s, df), tau) for k, f, s, df, tau in rows]
    ours = greeks(is_call)
    tiny = 1e-12 * SPOT  # below it QuantLib's difference of two probabilities has no digits left
    np.testing.assert_allclose(prices(is_call), [each.value() for each, _ in theirs], rtol=1e-10, atol=tiny)
    np.testing.assert_allclose(ours.delta, [each.delta(SPOT) for each, _ in theirs], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(ours.gamma, [each.gamma(SPOT) for each, _ in theirs], rtol=1e-10, atol=1e-17)
    vega = black76.vega(FORWARD, STRIKE, TAU, VOL, DISCOUNT)
    np.testing.assert_allclose(vega, [each.vega(tau) for each, tau in theirs], rtol=1e-10, atol=1e-11)


def test_out_of_the_money_prices_keep_their_digits_however_small() -> None:
    ours = black76.price(FORWARD, STRIKE, TAU, VOL, OTM_CALL, np.ones(FORWARD.shape))
    seen = 0
    for row, price in enumerate(ours):
        exact = exact_price(FORWARD[row], STRIKE[row], TAU[row], VOL[row], bool(OTM_CALL[row]))
        if exact > 1e-300:
            s = VOL[row] * TAU[row] ** 0.5
            distance = abs(np.log(FORWARD[row] / STRIKE[row]))
            roundings = 30 * (1 + 1 / s + distance / s**2)
            assert abs(float((Decimal(float(price)) - exact) / exact)) <= roundings * 2.0**-53
            seen += 1
    assert seen > 150


def test_no_deep_out_of_the_money_price_is_negative_or_larger_than_a_nearer_one() -> None:
    strike = np.linspace(7500.0, 15000.0, 2000)
    forward, tau, vol, discount = (np.array([value]) for value in (7500.0, 2 / 365, 0.15, 1.0))
    price = black76.price(forward, strike, tau, vol, np.array([True]), discount)
    assert (price >= 0).all() and (np.diff(price) <= 0).all()


@given(st.floats(0.3, 3), st.floats(1e-4, 5), st.floats(0.01, 4), st.floats(0.8, 1))
def test_call_minus_put_is_the_discounted_forward_minus_strike(moneyness: float, tau: float, vol: float, discount: float) -> None:
    forward, strike, tau_, vol_, df = (np.array([value]) for value in (100.0, 100.0 * moneyness, tau, vol, discount))
    call, put = (black76.price(forward, strike, tau_, vol_, np.array([is_call]), df) for is_call in (True, False))
    assert call - put == pytest.approx(df * (forward - strike), rel=1e-12, abs=1e-12)


def test_call_and_put_share_gamma_vanna_and_charm_and_their_deltas_differ_by_one_discounted_forward() -> None:
    call, put = greeks(CALLS), greeks(PUTS)
    for name in ("gamma", "vanna", "charm"):
        np.testing.assert_array_equal(getattr(call, name), getattr(put, name))
    np.testing.assert_allclose(call.delta - put.delta, FORWARD / SPOT * DISCOUNT, rtol=1e-14)


def test_greeks_are_derivatives_at_a_constant_ratio_of_forward_to_spot() -> None:
    step = 1e-5

    def moved(factor: float) -> Floats:
        return black76.price(FORWARD * factor, STRIKE, TAU, VOL, OTM_CALL, DISCOUNT)

    g = greeks(OTM_CALL)
    wide = VOL * np.sqrt(TAU) > 0.01  # elsewhere one step of spot is no small step
    delta = (moved(1 + step) - moved(1 - step)) / (2 * step * SPOT)
    np.testing.assert_allclose(g.delta[wide], delta[wide], rtol=1e-5, atol=1e-9)
    up, down = (greeks(OTM_CALL, FORWARD * (1 + move), SPOT * (1 + move)) for move in (step, -step))
    np.testing.assert_allclose(g.gamma[wide], ((up.delta - down.delta) / (2 * step * SPOT))[wide], rtol=1e-5, atol=1e-12)


def test_vega_and_vanna_are_derivatives_in_volatility() -> None:
    step = 1e-5 * VOL
    up, down = (black76.price(FORWARD, STRIKE, TAU, VOL + move, OTM_CALL, DISCOUNT) for move in (step, -step))
    np.testing.assert_allclose(black76.vega(FORWARD, STRIKE, TAU, VOL, DISCOUNT), (up - down) / (2 * step), rtol=1e-6, atol=1e-5)
    up_delta, down_delta = (greeks(OTM_CALL, vol=VOL + move).delta for move in (step, -step))
    np.testing.assert_allclose(greeks(OTM_CALL).vanna, (up_delta - down_delta) / (2 * step), rtol=1e-6, atol=1e-7)


def test_theta_and_charm_are_derivatives_in_passing_time_with_forward_and_discount_fixed() -> None:
    step = 1e-5 * TAU
    later, earlier = (black76.price(FORWARD, STRIKE, TAU - move, VOL, OTM_CALL, DISCOUNT) for move in (step, -step))
    theta = black76.theta(FORWARD, STRIKE, TAU, VOL, DISCOUNT)
    np.testing.assert_allclose(theta, (later - earlier) / (2 * step) / 365, rtol=1e-6, atol=1e-5)
    later_delta, earlier_delta = (greeks(OTM_CALL, tau=TAU - move).delta for move in (step, -step))
    np.testing.assert_allclose(greeks(OTM_CALL).charm, (later_delta - earlier_delta) / (2 * step), rtol=1e-6, atol=1e-5)


def test_usd_greeks_need_no_spot() -> None:
    usd = black76.spot_free_greeks(FORWARD, STRIKE, TAU, VOL, CALLS, DISCOUNT)
    for spot in (100.0, SPOT):
        g = greeks(CALLS, spot=spot)
        for ours, theirs in zip(usd, (g.delta * spot, g.gamma * spot**2, g.vanna * spot, g.charm * spot), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-14, atol=1e-300)


def test_without_time_or_volatility_a_price_is_its_intrinsic_value() -> None:
    forward, strike, df = np.full(3, 100.0), np.array([90.0, 100.0, 110.0]), np.full(3, 0.9)
    for tau, vol in ((np.zeros(3), np.full(3, 0.5)), (np.ones(3), np.zeros(3))):
        np.testing.assert_allclose(black76.price(forward, strike, tau, vol, np.ones(3, dtype=bool), df), [9.0, 0.0, 0.0])
        np.testing.assert_allclose(black76.price(forward, strike, tau, vol, np.zeros(3, dtype=bool), df), [0.0, 0.0, 9.0])


def test_marks_and_greeks_that_venues_publish_are_reproduced() -> None:
    one, no = np.array([True]), np.array([False])

    def column(*values: float) -> list[Floats]:
        return [np.array([value]) for value in values]

    # Deribit, inverse put BTC-31JAN25-92000-P: mark in coin is Black-76 over the row's own forward, not over the index.
    forward, strike, tau, vol, df = column(99067.37, 92000.0, (1738310400.0 - 1737074222.663) / 31_536_000, 0.6013, 1.0)
    assert black76.price(forward, strike, tau, vol, no, df) / forward == pytest.approx(0.01866323, rel=2e-4)
    # Binance, call 9000 with forward about 8800.
    forward, strike, tau, vol, df = column(8800.0, 9000.0, 0.0795, 1.45, 1.0)
    assert black76.price(forward, strike, tau, vol, one, df) == pytest.approx(1343.2883, rel=1e-3)
    g = black76.greeks(forward, strike, tau, vol, one, df, forward)
    assert g.delta == pytest.approx(0.55937, abs=1e-4)
    assert g.gamma == pytest.approx(0.00010969, abs=1e-7)
    assert black76.vega(forward, strike, tau, vol, df) == pytest.approx(978.87, rel=1e-3)
    # OKX BTC-USD-220309-33000-C, Black-Scholes set; its vega is per volatility point.
    tau_okx = (1646812800.0 - 1646733631.242) / 31_536_000
    forward, strike, tau, vol, df = column(39016.8143629, 33000.0, tau_okx, 1.5551965, 1.0)
    g = black76.greeks(forward, strike, tau, vol, one, df, forward)
    assert g.delta == pytest.approx(0.98573, abs=1e-4)
    assert g.gamma == pytest.approx(1.1933e-5, rel=5e-3)
    assert black76.vega(forward, strike, tau, vol, df) / 100 == pytest.approx(0.7089, rel=5e-3)


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    whole = np.stack([prices(CALLS), *greeks(CALLS), black76.vega(FORWARD, STRIKE, TAU, VOL, DISCOUNT)])
    for size in (1, 3, 7, 8, 13):
        for start in range(0, FORWARD.size - size, 17):
            part = slice(start, start + size)
            columns = (FORWARD[part], STRIKE[part], TAU[part], VOL[part], CALLS[part], DISCOUNT[part])
            g = black76.greeks(*columns, np.full(size, SPOT))
            rows = np.stack([black76.price(*columns), *g, black76.vega(*columns[:4], DISCOUNT[part])])
            np.testing.assert_array_equal(rows, whole[:, part])
