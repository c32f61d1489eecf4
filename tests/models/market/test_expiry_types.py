"""What kind of expiry an instant is, against published expiry dates (definitions §8)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from models.market.calendar import TradingCalendar, classify_expiries


def days(year: int, text: str) -> list[str]:
    """Month and day pairs of one year as ISO dates."""
    return [f"{year}-{day}" for day in text.split()]


MONTHLIES_OF_2026_AND_2027 = days(2026, "01-16 02-20 03-20 04-17 05-15 06-18 07-17 08-21 09-18 10-16 11-20 12-18") + days(
    2027, "01-15 02-19 03-19 04-16 05-21 06-17 07-16 08-20 09-17 10-15 11-19 12-17"
)
SHIFTED_MONTHLIES = ["2019-04-18", "2022-04-14", "2025-04-17", "2026-06-18", "2027-06-17", "2030-04-18", "2032-06-17", "2033-04-14"]
VIX_SETTLEMENTS = days(2026, "01-21 02-18 03-18 04-15 05-19 06-17 07-22 08-19 09-16 10-21 11-18 12-16") + days(
    2027, "01-20 02-17 03-17 04-21 05-18 06-16 07-21 08-18 09-15 10-20 11-17 12-22"
)
LAST_FRIDAYS = days(2026, "01-30 02-27 03-27 04-24 05-29 06-26 07-31 08-28 09-25 10-30 11-27 12-25") + days(
    2027, "01-29 02-26 03-26 04-30 05-28 06-25 07-30 08-27 09-24 10-29 11-26 12-31"
)


def kind(calendar: TradingCalendar, market: str, expires_at: str) -> dict[str, Any]:
    frame = pl.DataFrame({"market": [market], "expires_at": [datetime.fromisoformat(expires_at)]})
    return classify_expiries(frame, calendar).row(0, named=True)


def us_days(calendar: TradingCalendar, years: tuple[int, ...], is_am: bool = False) -> pl.DataFrame:
    sessions = calendar.sessions.filter(pl.col("session_date").dt.year().is_in(years))["session_date"]
    instants = calendar.settlement_instants(sessions, pl.repeat(is_am, sessions.len(), eager=True))
    return classify_expiries(pl.DataFrame({"market": ["us"] * sessions.len(), "expires_at": instants}), calendar)


def dates(frame: pl.DataFrame) -> list[str]:
    return [str(day) for day in frame["expiry"].to_list()]


def test_anchors_of_the_us_are_the_published_monthlies(calendar: TradingCalendar) -> None:
    assert dates(us_days(calendar, (2026, 2027)).filter("is_anchor")) == MONTHLIES_OF_2026_AND_2027
    both_ways = us_days(calendar, (2026, 2027), is_am=True).filter(~pl.col("is_vix_settlement") & pl.col("is_anchor"))
    assert dates(both_ways) == MONTHLIES_OF_2026_AND_2027


@pytest.mark.parametrize("day", SHIFTED_MONTHLIES)
def test_a_third_friday_on_a_holiday_settles_on_the_thursday(calendar: TradingCalendar, day: str) -> None:
    row = kind(calendar, "us", f"{day}T20:00")
    assert row["type"] == ("quarterly" if day[5:7] == "06" else "monthly")
    assert row["is_anchor"] and row["is_holiday_shifted"]


def test_triple_witching_is_the_monthly_of_each_quarter(calendar: TradingCalendar) -> None:
    witching = us_days(calendar, (2026,)).filter("is_triple_witching")
    assert dates(witching) == ["2026-03-20", "2026-06-18", "2026-09-18", "2026-12-18"]
    assert set(witching["type"]) == {"quarterly"}


def test_spx_morning_and_spxw_afternoon_of_a_third_friday_are_both_monthly(calendar: TradingCalendar) -> None:
    morning, afternoon = kind(calendar, "us", "2026-08-21T13:30"), kind(calendar, "us", "2026-08-21T20:00")
    assert (morning["type"], afternoon["type"]) == ("monthly", "monthly")
    assert (morning["is_am_settled"], afternoon["is_am_settled"]) == (True, False)


def test_a_quarter_end_keeps_the_type_of_its_weekday(calendar: TradingCalendar) -> None:
    row = kind(calendar, "us", "2026-09-30T20:00")
    assert row["type"] == "daily" and row["is_quarter_end"] and row["is_month_end"] and not row["is_anchor"]
    row = kind(calendar, "us", "2026-07-31T20:00")
    assert row["type"] == "weekly" and row["is_month_end"] and not row["is_quarter_end"]


def test_month_and_quarter_ends_are_the_last_sessions(calendar: TradingCalendar) -> None:
    year = us_days(calendar, (2026,))
    assert dates(year.filter("is_quarter_end")) == ["2026-03-31", "2026-06-30", "2026-09-30", "2026-12-31"]
    other = days(2026, "01-30 02-27 04-30 05-29 07-31 08-31 10-30 11-30")
    assert dates(year.filter(pl.col("is_month_end") & ~pl.col("is_quarter_end"))) == other


def test_the_weekly_of_a_friday_holiday_is_on_the_thursday(calendar: TradingCalendar) -> None:
    row = kind(calendar, "us", "2026-04-02T20:00")  # before Good Friday
    assert row["type"] == "weekly" and row["is_holiday_shifted"]
    row = kind(calendar, "us", "2026-12-24T18:00")  # early close before Christmas on a Friday
    assert row["type"] == "weekly" and row["is_holiday_shifted"] and not row["is_am_settled"]
    assert kind(calendar, "us", "2026-09-08T20:00")["type"] == "daily"  # Tuesday after Labor Day


def test_each_us_week_has_one_weekly_or_anchor_of_the_equity_rule(calendar: TradingCalendar) -> None:
    sessions = us_days(calendar, tuple(range(2000, 2041)))
    ends = sessions.filter(pl.col("type") != "daily")
    weeks = sessions.select(week=pl.col("expiry").dt.truncate("1w")).unique()
    assert ends.select(week=pl.col("expiry").dt.truncate("1w"))["week"].is_unique().all()
    assert ends.height == weeks.height - 1  # the week of 2040-12-31 runs beyond the calendar: its last session is not known
    assert set(sessions["type"]) == {"daily", "weekly", "monthly", "quarterly"}


def test_monthly_vix_contracts_settle_thirty_days_before_the_next_third_friday(calendar: TradingCalendar) -> None:
    mornings = us_days(calendar, (2026, 2027), is_am=True).filter("is_vix_settlement")
    assert dates(mornings) == VIX_SETTLEMENTS
    assert mornings.filter("is_holiday_shifted")["expiry"].to_list() == [date(2026, 5, 19), date(2027, 5, 18)]
    assert mornings.filter(pl.col("type") == "quarterly")["expiry"].dt.month().unique().sort().to_list() == [3, 6, 9, 12]
    assert mornings["is_anchor"].all() and not mornings["is_triple_witching"].any()
    assert kind(calendar, "us", "2025-03-18T13:30")["is_vix_settlement"]  # a Tuesday, because of Good Friday in April


def test_an_afternoon_on_a_vix_settlement_day_is_a_plain_daily_with_the_flag(calendar: TradingCalendar) -> None:
    row = kind(calendar, "us", "2026-05-19T20:00")
    assert row["type"] == "daily" and row["is_vix_settlement"] and not row["is_holiday_shifted"]


def test_other_vix_wednesdays_are_weekly(calendar: TradingCalendar) -> None:
    row = kind(calendar, "us", "2026-07-29T13:30")
    assert row["type"] == "weekly" and row["is_am_settled"] and not row["is_vix_settlement"] and not row["is_holiday_shifted"]


def test_what_is_no_session_is_unknown_and_never_dropped(calendar: TradingCalendar) -> None:
    for instant in ("2026-06-19T20:00", "2026-07-25T20:00", "2041-01-18T21:00", "1999-12-17T21:00"):
        row = kind(calendar, "us", instant)
        assert row["type"] == "unknown" and not any(value for name, value in row.items() if name.startswith("is_"))
    assert kind(calendar, "crypto", "2041-01-18T08:00")["type"] == "unknown"


@pytest.mark.parametrize("day", LAST_FRIDAYS)
def test_crypto_anchors_are_the_last_fridays(calendar: TradingCalendar, day: str) -> None:
    row = kind(calendar, "crypto", f"{day}T08:00")
    assert row["type"] == ("quarterly" if day[5:7] in ("03", "06", "09", "12") else "monthly")
    assert row["is_anchor"] and not row["is_holiday_shifted"] and not row["is_triple_witching"] and not row["is_am_settled"]
    before = datetime.fromisoformat(f"{day}T08:00") - timedelta(days=7)
    assert kind(calendar, "crypto", before.isoformat())["type"] == "weekly"


def test_crypto_types_follow_the_weekday_and_know_no_holiday(calendar: TradingCalendar) -> None:
    assert kind(calendar, "crypto", "2026-03-27T08:00")["type"] == "quarterly"
    assert kind(calendar, "crypto", "2026-01-30T08:00")["type"] == "monthly"
    assert kind(calendar, "crypto", "2026-04-03T08:00")["type"] == "weekly"  # Good Friday
    assert kind(calendar, "crypto", "2026-12-25T08:00")["is_anchor"]  # Christmas
    sunday = kind(calendar, "crypto", "2026-01-31T08:00")
    assert sunday["type"] == "daily" and sunday["is_month_end"] and not sunday["is_quarter_end"]
    assert kind(calendar, "crypto", "2026-06-30T08:00")["is_quarter_end"]


def test_one_row_per_market_and_instant_whatever_the_order(calendar: TradingCalendar) -> None:
    instants = [datetime(2026, 8, 21, 20), datetime(2026, 8, 21, 13, 30), datetime(2026, 8, 21, 20)]
    frame = pl.DataFrame({"market": ["us", "us", "us"], "expires_at": instants, "underlying": ["SPX", "SPX", "SPY"]})
    out = classify_expiries(frame, calendar)
    assert out.height == 2 and out["expires_at"].is_sorted()
    assert out.equals(classify_expiries(frame.reverse(), calendar))
    assert classify_expiries(frame.clear(), calendar).schema == out.schema
