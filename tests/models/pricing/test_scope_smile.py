"""Means over venues, and the move of one day (definitions §2, §7)."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from models.market.calendar import TradingCalendar
from models.pricing.scope_smile import ONE_DAY_MOVE, SCOPE_SMILE, one_day_move, scope_smile
from models.pricing.smile import EXPIRY_SMILE
from tests.models.chain_frames import QUOTED_AT

AT = QUOTED_AT.replace(tzinfo=UTC)  # Monday 2026-03-02, 15:00 New York


def smiles(*rows: dict[str, Any], days: float = 10) -> pl.DataFrame:
    common = {
        "venue": "deribit",
        "book": "BTC",
        "expires_at": QUOTED_AT + timedelta(days=days),
        "spot": 100.0,
        "discount": 1.0,
        "oi_base": 1.0,
    }
    return pl.DataFrame([dict.fromkeys(EXPIRY_SMILE.names()) | common | row for row in rows], schema=EXPIRY_SMILE)


def blend(*rows: dict[str, Any], spot: float = 100.0) -> dict[str, Any]:
    scope = scope_smile(smiles(*rows), spot=spot, measured_at=AT)
    assert scope.schema == SCOPE_SMILE and scope.height == 1
    return scope.row(0, named=True)


def test_means_are_weighted_by_open_interest() -> None:
    row = blend(
        {"atm_iv": 0.4, "put_25d_iv": 0.5, "call_25d_iv": 0.45, "straddle": 10.0, "forward": 101.0, "oi_base": 3.0},
        {"atm_iv": 0.8, "put_25d_iv": 0.9, "call_25d_iv": 0.75, "straddle": 14.0, "forward": 206.0, "spot": 200.0, "book": "USDC"},
    )
    assert (row["atm_iv"], row["straddle"], row["books"]) == (0.5, 11.0, 2)
    assert row["forward"] == pytest.approx(100 * (3 * 1.01 + 1.03) / 4)
    assert row["skew_25d"] == pytest.approx(0.6 - 0.525) and row["risk_reversal_25d"] == -row["skew_25d"]
    assert row["butterfly_25d"] == pytest.approx((0.6 + 0.525) / 2 - 0.5)
    assert row["tau"] == pytest.approx(10 / 365) and row["expected_move_1sd"] == pytest.approx(100 * 0.5 * math.sqrt(10 / 365))
    assert row["straddle_1sd"] == pytest.approx(11 * math.sqrt(math.pi / 2) * 100 / row["forward"])


def test_a_book_without_a_volatility_does_not_count_for_it() -> None:
    row = blend({"atm_iv": 0.4, "oi_base": 1.0, "straddle": 8.0}, {"atm_iv": None, "oi_base": 9.0, "straddle": 10.0, "venue": "okx"})
    assert row["atm_iv"] == 0.4 and row["straddle"] == pytest.approx(9.8) and row["forward"] is None
    assert blend({"atm_iv": None})["expected_move_1sd"] is None


@pytest.mark.parametrize("oi", [0.0, None])
def test_without_open_interest_books_count_alike(oi: float | None) -> None:
    assert blend({"atm_iv": 0.4, "oi_base": oi}, {"atm_iv": 0.6, "oi_base": oi, "venue": "okx"})["atm_iv"] == 0.5


def test_the_order_of_books_does_not_matter() -> None:
    rows = [{"atm_iv": 0.1 * n, "oi_base": 0.7 * n, "venue": f"v{n}"} for n in range(1, 8)]
    assert blend(*rows) == blend(*reversed(rows))


def move_of(market: str, calendar: TradingCalendar, at: datetime, *expiries: tuple[datetime, float | None]) -> dict[str, Any]:
    rows = [{"expires_at": expires_at.replace(tzinfo=None), "atm_iv": atm_iv, "forward": 100.0} for expires_at, atm_iv in expiries]
    move = one_day_move(scope_smile(smiles(*rows), spot=100.0, measured_at=at), market=market, measured_at=at, calendar=calendar)
    assert move.schema == ONE_DAY_MOVE
    return move.row(0, named=True)


def test_friday_evening_describes_monday(calendar: TradingCalendar) -> None:
    friday, monday = datetime(2026, 3, 6, 21, tzinfo=UTC), datetime(2026, 3, 9, 20, tzinfo=UTC)
    row = move_of("us", calendar, friday, (monday, 0.2))
    assert (row["expiry_used"], row["sessions"]) == (monday.replace(tzinfo=None), 1)
    assert row["one_day_move_1sd"] == pytest.approx(100 * 0.2 * math.sqrt((3 - 1 / 24) / 365))
    assert row["one_day_move_2sd"] == pytest.approx(2 * row["one_day_move_1sd"], rel=1e-11)


def test_the_move_to_a_week_away_is_spread_over_its_sessions(calendar: TradingCalendar) -> None:
    at, friday = datetime(2026, 3, 9, 20, tzinfo=UTC), datetime(2026, 3, 13, 20, tzinfo=UTC)  # from one close to another
    row = move_of("us", calendar, at, (friday, 0.2), (friday + timedelta(days=7), 0.9))
    assert row["sessions"] == 4 and row["one_day_move_1sd"] == pytest.approx(100 * 0.2 * math.sqrt(4 / 365) / 2)


def test_an_opening_settlement_after_the_close_counts_as_one_session(calendar: TradingCalendar) -> None:
    thursday_noon, friday_open = datetime(2026, 3, 19, 13, 30, tzinfo=UTC), datetime(2026, 3, 20, 13, 30, tzinfo=UTC)
    assert move_of("us", calendar, thursday_noon, (friday_open, 0.2))["sessions"] == 1
    weekend = datetime(2026, 3, 14, 12, tzinfo=UTC)
    assert move_of("us", calendar, weekend, (datetime(2026, 3, 16, 13, 30, tzinfo=UTC), 0.2))["sessions"] == 1


def test_an_expiry_of_exactly_one_day_is_used_and_a_shorter_one_is_not(calendar: TradingCalendar) -> None:
    day = AT + timedelta(days=1)
    row = move_of("crypto", calendar, AT, (AT + timedelta(hours=23), 0.9), (day, 0.4))
    assert row["expiry_used"] == day.replace(tzinfo=None) and row["sessions"] is None
    assert row["one_day_move_1sd"] == pytest.approx(100 * 0.4 * math.sqrt(1 / 365))


def test_crypto_moves_scale_with_the_root_of_time(calendar: TradingCalendar) -> None:
    row = move_of("crypto", calendar, AT, (AT + timedelta(days=4), 0.4))
    assert row["one_day_move_1sd"] == pytest.approx(100 * 0.4 * math.sqrt(1 / 365))


def test_without_an_expiry_of_a_day_there_is_no_move_and_a_reason(calendar: TradingCalendar) -> None:
    for expiries in (((AT + timedelta(hours=23), 0.9),), ((AT + timedelta(days=2), None),)):
        row = move_of("crypto", calendar, AT, *expiries)
        assert row["one_day_reason"] == "no_expiry" and row["one_day_move_1sd"] is None
    later = move_of("crypto", calendar, AT, (AT + timedelta(days=2), None), (AT + timedelta(days=4), 0.4))
    assert later["expiry_used"] == (AT + timedelta(days=4)).replace(tzinfo=None)
