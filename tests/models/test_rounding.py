"""What is stored is rounded once, alike everywhere (definitions §12)."""

from __future__ import annotations

import math
from decimal import Context, Decimal

import numpy as np
import polars as pl
from hypothesis import assume, given
from hypothesis import strategies as st

from models.rounding import round_significant, round_usd

TWELVE_DIGITS = Context(prec=12)


@given(st.floats(1e-11, 1e30) | st.floats(-1e30, -1e-11))
def test_values_become_the_double_nearest_to_twelve_digits(value: float) -> None:
    exact = TWELVE_DIGITS.create_decimal(Decimal(value))
    unit = Decimal(1).scaleb(exact.adjusted() - 11)
    assume(abs(abs(Decimal(value) - exact) / unit - Decimal("0.5")) > Decimal("1e-3"))  # a tie is decided by the last bit
    assert round_significant([value]).tolist() == [float(exact)]


@given(st.floats(1e-279, 1e307))
def test_rounding_moves_a_value_by_half_a_unit_of_the_twelfth_digit_at_most(value: float) -> None:
    assert math.isclose(round_significant([value]).item(), value, rel_tol=5.01e-12)
    assert round_significant([-value]) == -round_significant([value])


def test_powers_of_ten_and_their_neighbours_keep_twelve_digits() -> None:
    powers = np.array([float(f"1e{exponent}") for exponent in range(-11, 23)])
    np.testing.assert_array_equal(round_significant(powers), powers)
    for neighbour in (np.nextafter(powers, 0), np.nextafter(powers, np.inf)):
        np.testing.assert_allclose(round_significant(neighbour), powers, rtol=2e-16)
    below = np.array([float(f"9.99999999999e{exponent}") for exponent in range(-12, 22)])
    np.testing.assert_array_equal(round_significant(below), below)


def test_zero_missing_and_infinite_stay_and_what_is_too_small_to_measure_is_zero() -> None:
    rounded = round_significant([0.0, -0.0, 1e-290, -5e-324, math.inf, -math.inf, math.nan])
    assert rounded[:6].tolist() == [0.0, 0.0, 0.0, 0.0, math.inf, -math.inf] and math.isnan(rounded[6])
    assert not np.signbit(rounded[:4]).any()
    assert round_significant([]).size == 0


def test_rounding_twice_changes_nothing_and_neighbours_do_not_matter() -> None:
    values = np.random.default_rng(0).normal(0, 1, 5_000) * 10.0 ** np.random.default_rng(1).uniform(-11, 20, 5_000)
    once = round_significant(values)
    np.testing.assert_array_equal(round_significant(once), once)
    np.testing.assert_array_equal(round_significant(values[1::3]), once[1::3])


def test_amounts_beyond_the_type_are_unknown_not_wrong() -> None:
    assert round_usd([1e16, -math.inf, 9e15]).to_list() == [None, None, Decimal("9e15")]


def test_dollars_are_rounded_to_cents_half_to_even() -> None:
    rounded = round_usd([0.125, 0.375, -0.125, 2.344999, 1e13 + 0.25, -0.001, math.nan])
    assert rounded.dtype == pl.Decimal(18, 2)
    expected = ["0.12", "0.38", "-0.12", "2.34", "10000000000000.25", "0.00", None]
    assert rounded.to_list() == [None if text is None else Decimal(text) for text in expected]


@given(st.integers(-(10**13), 10**13))
def test_every_amount_in_whole_cents_stays_what_it_is(cents: int) -> None:
    assert round_usd([cents / 100]).to_list() == [Decimal(cents).scaleb(-2)]
