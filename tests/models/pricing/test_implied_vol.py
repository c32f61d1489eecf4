"""Implied volatility: round trips over the whole domain, exact prices, reasons, and rows that do not feel their neighbours."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.pricing import black76
from models.pricing.black76 import Floats
from models.pricing.implied_vol import REASONS, implied_vol
from tests.models.pricing.exact_black76 import exact_price

HOUR = 1 / 8760
FORWARD = 7000.0


def tolerance(price: Floats, vol: Floats, vega: Floats) -> Floats:
    """The error that definitions §3 grants the solver."""
    return np.maximum(1e-9, 4 * np.spacing(price) / (vol * vega))


def options(count: int, seed: int = 0) -> dict[str, Floats]:
    """Out-of-the-money options spread over moneyness 0.3–3, one hour to five years, 1 % to 400 %, that cost more than 1e-12 forwards."""
    random = np.random.default_rng(seed)
    moneyness = np.where(
        random.random(count) < 0.5, np.exp(random.uniform(np.log(0.3), np.log(3), count)), 1 + random.normal(0, 0.02, count)
    )
    tau = np.exp(random.uniform(np.log(HOUR), np.log(5), count))
    vol = np.exp(random.uniform(np.log(0.01), np.log(4), count))
    rows = {"forward": np.full(count, FORWARD), "strike": FORWARD * moneyness, "tau": tau, "vol": vol, "discount": np.exp(-0.04 * tau)}
    rows["price"] = black76.price(rows["forward"], rows["strike"], tau, vol, moneyness >= 1, rows["discount"])
    return {name: column[rows["price"] > 1e-12 * FORWARD] for name, column in rows.items()}


def solved(rows: dict[str, Floats]) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.int8]]]:
    return implied_vol(rows["price"], rows["forward"], rows["strike"], rows["tau"], rows["strike"] >= rows["forward"], rows["discount"])


def test_volatilities_come_back_from_their_prices() -> None:
    rows = options(200_000)
    vol, reason = solved(rows)
    vega = black76.vega(rows["forward"], rows["strike"], rows["tau"], rows["vol"], rows["discount"])
    assert (reason == 0).all() and vol.size > 80_000
    assert (np.abs(vol - rows["vol"]) <= tolerance(rows["price"], rows["vol"], vega)).all()


def solve_one(price: float, strike: float, tau: float, discount: float) -> tuple[float, str | None]:
    """Volatility and reason of the out-of-the-money option."""
    columns = (np.array([value]) for value in (price, FORWARD, strike, tau))
    vol, reason = implied_vol(*columns, np.array([strike >= FORWARD]), np.array([discount]))
    return float(vol[0]), REASONS[reason[0]]


@settings(max_examples=500)
@given(st.floats(0.3, 3), st.floats(HOUR, 5), st.floats(0.01, 4), st.floats(0.8, 1))
@example(moneyness=1.0, tau=HOUR, vol=0.01, discount=1.0)
@example(moneyness=1.0, tau=5.0, vol=4.0, discount=1.0)
@example(moneyness=np.nextafter(1.0, 2), tau=HOUR, vol=0.01, discount=1.0)
@example(moneyness=3.0, tau=5.0, vol=4.0, discount=0.8)
@example(moneyness=0.3, tau=HOUR, vol=4.0, discount=1.0)  # worth nothing
@example(moneyness=0.3, tau=HOUR, vol=0.01, discount=1.0)  # worth less than the smallest double
def test_the_solver_inverts_exact_prices_above_a_trillionth_of_the_forward_and_refuses_the_others(
    moneyness: float, tau: float, vol: float, discount: float
) -> None:
    strike = FORWARD * moneyness
    price = float(exact_price(FORWARD, strike, tau, vol, strike >= FORWARD, discount))
    result, reason = solve_one(price, strike, tau, discount)
    if price > 1e-12 * FORWARD:
        columns = (np.array([value]) for value in (FORWARD, strike, tau, vol, discount))
        vega = black76.vega(*columns)
        assert reason is None
        assert abs(result - vol) <= tolerance(np.array([price]), np.array([vol]), vega)
    else:
        assert math.isnan(result) and reason == ("below_intrinsic" if price > 0 else "no_price")


@settings(max_examples=200)
@given(st.floats(0.3, 3), st.floats(HOUR, 5), st.floats(0.5, 2), st.floats(0.8, 1))
def test_the_smallest_price_that_counts_is_a_trillionth_of_the_forward(moneyness: float, tau: float, size: float, discount: float) -> None:
    """Just above it there is a volatility that gives the price again, just below there is none."""
    strike, price = FORWARD * moneyness, size * 1e-12 * FORWARD
    result, reason = solve_one(price, strike, tau, discount)
    if price > 1e-12 * FORWARD:
        again = float(exact_price(FORWARD, strike, tau, result, strike >= FORWARD, discount))
        vega = black76.vega(*(np.array([value]) for value in (FORWARD, strike, tau, result, discount)))
        assert reason is None
        assert abs(again - price) <= 2 * vega * tolerance(np.array([price]), np.array([result]), vega)
    else:
        assert math.isnan(result) and reason == "below_intrinsic"


def test_a_price_in_the_money_gives_what_its_time_value_carries() -> None:
    rows = options(50_000, seed=1)
    is_call = rows["strike"] < rows["forward"]
    price = black76.price(rows["forward"], rows["strike"], rows["tau"], rows["vol"], is_call, rows["discount"])
    vol, reason = implied_vol(price, rows["forward"], rows["strike"], rows["tau"], is_call, rows["discount"])
    vega = black76.vega(rows["forward"], rows["strike"], rows["tau"], rows["vol"], rows["discount"])
    has_digits = rows["price"] > 1e6 * np.spacing(price)  # the rest of the time value drowned in the intrinsic value
    assert (reason[has_digits] == 0).all()
    assert (np.abs(vol - rows["vol"]) <= 1e-9 + 8 * np.spacing(price) / vega)[has_digits].all()


def test_strikes_at_any_distance_are_solved() -> None:
    random = np.random.default_rng(2)
    distance = random.uniform(-25, 25, 20_000)
    scaled = np.where(
        random.random(distance.size) < 0.3, 1 - 10 ** random.uniform(-8, 0, distance.size), 10 ** random.uniform(-11, 0, distance.size)
    )
    strike = np.exp(distance)
    price = scaled * np.minimum(1.0, strike)
    one = np.ones(distance.size)
    vol, reason = implied_vol(price, one, strike, one, strike >= 1, one)
    again = black76.price(one, strike, one, vol, strike >= 1, one)
    is_solved = reason == 0
    assert is_solved.sum() > 15_000
    np.testing.assert_allclose(again[is_solved], price[is_solved], rtol=1e-9)


@pytest.mark.parametrize(
    ("price", "strike", "is_call", "reason"),
    [
        (np.nan, 110.0, True, "no_price"),
        (0.0, 110.0, True, "no_price"),
        (-1.0, 110.0, True, "no_price"),
        (9.0, 90.0, True, "below_intrinsic"),  # discounted intrinsic value is 9.5
        (9.5, 90.0, True, "below_intrinsic"),
        (9.4, 110.0, False, "below_intrinsic"),
        (1e-11, 110.0, True, "below_intrinsic"),  # not a price: a ten-trillionth of the forward
        (95.0, 110.0, True, "above_bound"),  # a call is worth at most the discounted forward
        (104.5, 110.0, False, "above_bound"),  # a put at most the discounted strike
        (np.inf, 110.0, True, "above_bound"),
    ],
)
def test_a_price_that_no_volatility_explains_has_a_reason(price: float, strike: float, is_call: bool, reason: str) -> None:
    vol, why = implied_vol(np.array([price]), np.array([100.0]), np.array([strike]), np.array([0.5]), np.array([is_call]), np.array([0.95]))
    assert np.isnan(vol).all() and REASONS[why[0]] == reason


@pytest.mark.parametrize("column", ["forward", "strike", "tau", "discount"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_inputs_that_describe_no_option_have_no_volatility(column: str, value: float) -> None:
    rows = {name: np.array([each]) for name, each in (("forward", 100.0), ("strike", 110.0), ("tau", 0.5), ("discount", 1.0))}
    rows[column] = np.array([value])
    vol, why = implied_vol(np.array([1.0]), rows["forward"], rows["strike"], rows["tau"], np.array([True]), rows["discount"])
    assert np.isnan(vol).all() and REASONS[why[0]] == "no_price"


def test_each_row_is_solved_alone_to_the_last_bit() -> None:
    rows = options(60_000, seed=3)
    vol, _ = solved(rows)
    order = np.random.default_rng(4).permutation(vol.size)
    shuffled, _ = solved({name: column[order] for name, column in rows.items()})
    np.testing.assert_array_equal(shuffled, vol[order])
    for size in (1, 2, 3, 5, 8, 9, 1000, 8193):
        for start in range(0, vol.size - size, vol.size // 7):
            part = slice(start, start + size)
            np.testing.assert_array_equal(solved({name: column[part] for name, column in rows.items()})[0], vol[part])
    strided, _ = solved({name: column[::3] for name, column in rows.items()})
    np.testing.assert_array_equal(strided, vol[::3])


def test_bad_neighbours_change_nothing() -> None:
    rows = options(5_000, seed=5)
    vol, _ = solved(rows)
    spoilt = {name: column.copy() for name, column in rows.items()}
    spoilt["price"][::2] = np.nan
    spoilt["price"][1::4] = 1e9
    result, reason = solved(spoilt)
    np.testing.assert_array_equal(result[3::4], vol[3::4])
    assert np.isnan(result[::2]).all() and (reason[::2] == 1).all() and (reason[1::4] == 3).all()


def test_scalars_are_broadcast_and_nothing_in_gives_nothing_out() -> None:
    vol, reason = implied_vol(np.array([2.0, 3.0]), np.float64(100), np.float64(105), np.float64(0.25), np.array(True), np.float64(1))  # type: ignore[arg-type]
    assert vol.shape == reason.shape == (2,) and vol[0] < vol[1]
    nothing = np.empty(0)
    assert implied_vol(nothing, nothing, nothing, nothing, nothing.astype(bool), nothing)[0].size == 0
