"""Pain and max pain of chains small enough to work out on paper (definitions §1, §4)."""

from __future__ import annotations

from typing import Any

import pytest

from models.market.calendar import TradingCalendar
from tests.chains import FRIDAY, NEXT_FRIDAY, chain, listed, only, snapshot

CROWD = listed(95, call=1, put=1, expires_at=NEXT_FRIDAY) + listed(
    105, call=1, put=1, expires_at=NEXT_FRIDAY
)  # another expiry, with interest


@pytest.fixture
def pain_of(calendar: TradingCalendar) -> Any:
    """Max pain and the curve of the Friday expiry of hand-made rows, seen from a spot."""

    def compute(rows: list[dict[str, Any]], spot: float = 100.0) -> tuple[dict[str, Any], dict[float, tuple[float, float, float]]]:
        tables = snapshot(chain(rows + CROWD, spot=spot), calendar=calendar)
        row = only(tables["marts.max_pain"], expires_at=FRIDAY)
        curve = tables["marts.pain_curve"].filter(expires_at=FRIDAY)
        return row, {
            strike: tuple(pain) for strike, *pain in curve.select("strike", "call_pain_usd", "put_pain_usd", "total_pain_usd").rows()
        }

    return compute


def test_holders_of_calls_are_paid_above_and_of_puts_below_their_strike(pain_of: Any) -> None:
    row, curve = pain_of(listed(90, call=1, put=1) + listed(100, call=3, put=4) + listed(110, call=1, put=1))
    assert curve == {90: (0, 6000, 6000), 100: (1000, 1000, 2000), 110: (5000, 0, 5000)}
    assert (row["max_pain_strike"], row["max_pain_usd"]) == (100, 2000)


def test_reversed_legs_would_pick_another_strike(pain_of: Any) -> None:
    rows = listed(90, call=0, put=10) + listed(100, call=20, put=0) + listed(110, call=100, put=10)
    row, curve = pain_of(rows)
    reversed_legs = {
        k: sum((c * max(strike - k, 0) + p * max(k - strike, 0)) * 100 for strike, c, p in ((90, 0, 10), (100, 20, 0), (110, 100, 10))) for k in curve
    }  # fmt: skip
    assert min(reversed_legs, key=lambda strike: reversed_legs[strike]) == 110
    assert row["max_pain_strike"] == 100
    assert {strike: total for strike, (_, _, total) in curve.items()} == {90: 20_000, 100: 10_000, 110: 20_000}


def test_a_flat_curve_is_an_interval_and_its_lowest_strike_counts(pain_of: Any) -> None:
    row, _ = pain_of(listed(90, put=10) + listed(95, call=0) + listed(105, put=0) + listed(110, call=10))
    assert (row["max_pain_strike"], row["max_pain_low"], row["max_pain_high"], row["max_pain_usd"]) == (90, 90, 110, 0)


def test_strikes_within_a_billionth_of_the_minimum_are_tied(pain_of: Any) -> None:
    crowd = 10_000_000  # contracts: a minimum of 4e10 USD, so 25 USD more is a tie and 100 USD is not
    row, curve = pain_of(listed(80, call=crowd) + listed(119, call=0) + listed(119.75, call=0) + listed(120, put=crowd + 1))
    assert [total - curve[120.0][2] for _, _, total in curve.values()] == [4000, 100, 25, 0]
    assert (row["max_pain_strike"], row["max_pain_low"], row["max_pain_high"]) == (119.75, 119.75, 120)


def test_an_expiry_without_open_interest_has_a_curve_and_no_max_pain(pain_of: Any) -> None:
    row, curve = pain_of(listed(90, call=0, put=0) + listed(110, call=0, put=0))
    assert curve == {90: (0, 0, 0), 110: (0, 0, 0)}
    assert (row["call_oi"], row["put_oi"], row["total_oi"], row["pcr"]) == (0, 0, 0, None)
    missing = ("max_pain_strike", "max_pain_low", "max_pain_high", "max_pain_usd", "distance_abs", "distance_pct", "direction", "signal")
    assert {row[name] for name in missing} == {None}


def test_unknown_open_interest_is_null_and_its_strike_stays_a_candidate(pain_of: Any) -> None:
    row, curve = pain_of(listed(90, put=2, call=2) + listed(100, call=None, put=None) + listed(110, put=2, call=2))
    assert curve[100.0] == (2000, 2000, 4000)
    assert (row["max_pain_low"], row["max_pain_high"]) == (90, 110)
    assert (row["call_oi"], row["put_oi"]) == (400, 400)


def test_open_interest_that_nobody_knows_is_null_and_not_zero(pain_of: Any) -> None:
    row, _ = pain_of(listed(90, call=None, put=3) + listed(110, call=None, put=1))
    assert (row["call_oi"], row["put_oi"], row["total_oi"], row["pcr"]) == (None, 400, 400, None)
    assert row["max_pain_strike"] == 110


def test_a_side_that_is_not_listed_is_null(pain_of: Any) -> None:
    row, curve = pain_of(listed(90, call=5) + listed(110, call=1))
    assert (row["call_oi"], row["put_oi"], row["total_oi"], row["max_pain_strike"]) == (600, None, 600, 90)
    assert curve[110.0] == (10_000, 0, 10_000)


def test_one_strike_is_its_own_max_pain(pain_of: Any) -> None:
    row, curve = pain_of(listed(100, call=1, put=1))
    assert curve == {100: (0, 0, 0)}
    assert (row["max_pain_strike"], row["max_pain_low"], row["max_pain_high"], row["max_pain_usd"]) == (100, 100, 100, 0)


def test_strikes_with_fractions_add_exactly(pain_of: Any) -> None:
    row, curve = pain_of(listed(99.1, call=1, put=7) + listed(99.2, call=0) + listed(99.3, call=2, put=1))
    assert curve == {99.1: (0, 20.0, 20.0), 99.2: (10.0, 10.0, 20.0), 99.3: (20.0, 0, 20.0)}
    assert (row["max_pain_low"], row["max_pain_high"]) == (99.1, 99.3)


def test_a_strike_and_interest_beyond_64_bits_of_lots_and_ticks_are_added_all_the_same(pain_of: Any) -> None:
    far = 8_000_000_000.123456  # 8e15 ticks; times 1e9 lots it would not fit
    row, curve = pain_of(listed(90, call=0, put=1) + listed(100, call=10_000_000, put=4) + listed(far, call=5, put=10_000_000))
    assert curve[90] == (0, pytest.approx(1e9 * (far - 90) + 400 * 10, rel=1e-12), pytest.approx(curve[90][1]))
    assert curve[far][0] == pytest.approx(1e9 * (far - 100), rel=1e-12)
    assert row["max_pain_strike"] == 100


@pytest.mark.parametrize(
    ("spot", "direction", "signal"),
    [(100.004, "at", "neutral"), (100.01, "above", "neutral"), (95.24, "below", "neutral"), (95.23, "below", "bullish"), (105.26, "above", "neutral"), (105.27, "above", "bearish")],
)  # fmt: skip
def test_distance_is_spot_relative_to_max_pain(pain_of: Any, spot: float, direction: str, signal: str) -> None:
    row, _ = pain_of(listed(90, call=1, put=1) + listed(100, call=3, put=4) + listed(110, call=1, put=1), spot)
    assert (row["max_pain_strike"], row["direction"], row["signal"]) == (100, direction, signal)
    assert row["distance_abs"] == abs(spot - 100)
    assert row["distance_pct"] == pytest.approx(abs(spot - 100) / spot * 100)


def test_settled_and_adjusted_contracts_enter_no_mart(calendar: TradingCalendar) -> None:
    settled = listed(50, call=10_000, put=10_000, expires_at=FRIDAY.replace(day=2, hour=21))
    adjusted = listed(60, call=10_000, put=10_000, root="XYZ1", is_adjusted=True)
    live = listed(100, call=3, put=4) + listed(110, call=1, put=1)
    with_them, without = (snapshot(chain(rows), calendar=calendar) for rows in (live + settled + adjusted, live))
    assert with_them["core.snapshot_venues"].select("contracts", "live_contracts", "oi_base_total").row(0) == (8, 4, 4_000_900)
    for mart in ("gex_heatmap", "pain_curve", "max_pain", "max_pain_pooled", "gex_levels"):
        assert with_them[f"marts.{mart}"].equals(without[f"marts.{mart}"])


def test_pooled_adds_up_open_interest_of_all_live_expiries_first(calendar: TradingCalendar) -> None:
    first = listed(90, call=0, put=9) + listed(100, call=9, put=0)
    second = listed(90, put=1, expires_at=NEXT_FRIDAY) + listed(110, call=9, put=1, expires_at=NEXT_FRIDAY)
    tables = snapshot(chain(first + second), calendar=calendar)
    assert tables["marts.max_pain"].sort("expires_at")["max_pain_strike"].to_list() == [90, 110]
    pooled = tables["marts.max_pain_pooled"].row(0, named=True)
    assert (pooled["max_pain_strike"], pooled["max_pain_usd"], pooled["expiries"], pooled["total_oi"]) == (100, 1000, 2, 2900)
