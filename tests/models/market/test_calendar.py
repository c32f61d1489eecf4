"""US sessions and settlement instants against published facts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from models.errors import UsageError
from models.market.calendar import TradingCalendar, new_york_date


def days(year: int, text: str) -> list[str]:
    """Month and day pairs of one year as ISO dates."""
    return [f"{year}-{day}" for day in text.split()]


# The exchange's published holidays.
HOLIDAYS = days(2026, "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25") + days(
    2027, "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24"
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def settlement(calendar: TradingCalendar, day: str, is_am: bool = False) -> str:
    dates = pl.Series([date.fromisoformat(day)])
    return str(calendar.settlement_instants(dates, pl.Series([is_am])).item())


def test_sessions_are_the_weekdays_that_are_no_holiday(calendar: TradingCalendar) -> None:
    weekdays = pl.select(day=pl.date_range(date(2026, 1, 1), date(2027, 12, 31)))["day"].to_list()
    expected = [day for day in weekdays if day.isoweekday() <= 5 and day.isoformat() not in HOLIDAYS]
    in_years = calendar.sessions.filter(pl.col("session_date").dt.year().is_in([2026, 2027]))
    assert in_years["session_date"].to_list() == expected
    assert calendar.close_of(date(2025, 1, 9)) is None  # a one-off closure


def test_sessions_reach_from_2000_to_2040_and_are_sorted(calendar: TradingCalendar) -> None:
    dates = calendar.sessions["session_date"]
    assert (dates[0], dates[-1]) == (date(2000, 1, 3), date(2040, 12, 31))
    assert dates.is_sorted() and dates.is_unique().all()
    assert calendar.sessions.schema == {
        "session_date": pl.Date,
        "opens_at": pl.Datetime("us"),
        "closes_at": pl.Datetime("us"),
        "is_early_close": pl.Boolean,
    }


@pytest.mark.parametrize("day", ["2026-11-27", "2026-12-24", "2025-07-03", "2028-07-03"])
def test_early_closes_are_at_one_in_the_afternoon_in_new_york(calendar: TradingCalendar, day: str) -> None:
    row = calendar.sessions.row(by_predicate=pl.col("session_date") == date.fromisoformat(day), named=True)
    assert row["is_early_close"]
    hour = 17 if day[5:7] == "07" else 18
    assert row["closes_at"] == datetime.fromisoformat(f"{day}T{hour}:00:00")
    assert settlement(calendar, day) == f"{day} {hour}:00:00"


def test_the_close_follows_daylight_saving_time_both_ways(calendar: TradingCalendar) -> None:
    # New York: summer time from 2026-03-08 to 2026-10-31.
    assert calendar.close_of(date(2026, 3, 6)) == utc("2026-03-06T21:00")
    assert calendar.close_of(date(2026, 3, 9)) == utc("2026-03-09T20:00")
    assert calendar.close_of(date(2026, 10, 30)) == utc("2026-10-30T20:00")
    assert calendar.close_of(date(2026, 11, 2)) == utc("2026-11-02T21:00")
    assert calendar.close_of(date(2026, 3, 7)) is None


def test_am_settled_contracts_settle_at_half_past_nine_in_new_york(calendar: TradingCalendar) -> None:
    assert settlement(calendar, "2026-08-21", is_am=True) == "2026-08-21 13:30:00"
    assert settlement(calendar, "2026-01-16", is_am=True) == "2026-01-16 14:30:00"


def test_a_date_without_session_settles_at_four_in_the_afternoon(calendar: TradingCalendar) -> None:
    assert settlement(calendar, "2026-06-19") == "2026-06-19 20:00:00"
    assert settlement(calendar, "2026-02-14") == "2026-02-14 21:00:00"
    assert settlement(calendar, "1999-07-16") == "1999-07-16 20:00:00"
    assert settlement(calendar, "2045-01-20") == "2045-01-20 21:00:00"
    assert settlement(calendar, "2045-07-21", is_am=True) == "2045-07-21 13:30:00"


def test_settlement_instants_keep_the_order_and_the_gaps(calendar: TradingCalendar) -> None:
    dates = pl.Series([date(2026, 12, 24), None, date(2026, 1, 16), date(2026, 12, 24)])
    instants = calendar.settlement_instants(dates, pl.Series([False, False, True, True]))
    assert instants.dtype == pl.Datetime("us")
    assert [None if at is None else at.isoformat() for at in instants.to_list()] == [
        "2026-12-24T18:00:00", None, "2026-01-16T14:30:00", "2026-12-24T14:30:00",
    ]  # fmt: skip
    assert calendar.settlement_instants(pl.Series([], dtype=pl.Date), pl.Series([], dtype=pl.Boolean)).len() == 0


def test_open_means_inside_the_regular_session(calendar: TradingCalendar) -> None:
    assert not calendar.is_open(utc("2026-07-22T13:29:59"))
    assert calendar.is_open(utc("2026-07-22T13:30"))
    assert calendar.is_open(utc("2026-07-22T19:59:59"))
    assert not calendar.is_open(utc("2026-07-22T20:00"))
    assert not calendar.is_open(utc("2026-11-27T18:00"))  # early close
    assert not calendar.is_open(utc("2026-07-25T15:00"))  # Saturday
    assert not calendar.is_open(utc("1990-07-25T15:00"))


def test_instants_of_other_zones_are_the_same_instants(calendar: TradingCalendar) -> None:
    evening = datetime.fromisoformat("2026-07-22T21:15:00-04:00")
    assert new_york_date(evening) == date(2026, 7, 22)
    assert new_york_date(evening.astimezone(UTC)) == date(2026, 7, 22)
    assert calendar.is_open(datetime.fromisoformat("2026-07-22T09:30:00-04:00"))


def test_a_naive_instant_is_refused(calendar: TradingCalendar) -> None:
    with pytest.raises(ValueError, match="time zone"):
        calendar.is_open(datetime(2026, 7, 22, 15))


def test_the_last_session_is_strictly_before_and_skips_holidays(calendar: TradingCalendar) -> None:
    assert calendar.last_session_before(date(2026, 6, 22)) == date(2026, 6, 18)  # weekend and Juneteenth
    assert calendar.last_session_before(date(2026, 6, 18)) == date(2026, 6, 17)
    assert calendar.last_session_before(date(2041, 1, 1)) == date(2040, 12, 31)


def test_a_day_outside_the_calendar_is_an_error_that_says_so(calendar: TradingCalendar) -> None:
    for day in (date(2000, 1, 3), date(2041, 1, 2)):
        with pytest.raises(UsageError, match="2000-01-01 to 2040-12-31"):
            calendar.last_session_before(day)
    with pytest.raises(UsageError):
        calendar.last_session_open_for(utc("2041-01-02T18:00"))


def test_a_session_counts_once_it_has_been_open_for_a_quarter_of_an_hour(calendar: TradingCalendar) -> None:
    assert calendar.last_session_open_for(utc("2026-07-22T13:44:59")) == date(2026, 7, 21)
    assert calendar.last_session_open_for(utc("2026-07-22T13:45")) == date(2026, 7, 22)
    assert calendar.last_session_open_for(utc("2026-07-26T12:00")) == date(2026, 7, 24)
    assert calendar.last_session_open_for(utc("2026-07-22T13:30"), minutes=0) == date(2026, 7, 22)


def test_open_interest_belongs_to_the_session_before_and_changes_at_half_past_six(calendar: TradingCalendar) -> None:
    assert calendar.open_interest_date(utc("2026-07-22T22:52:31")) == date(2026, 7, 21)
    # Pulled at 01:15 UTC of 07-23, still the evening of 07-22 in New York.
    assert calendar.open_interest_date(utc("2026-07-23T01:15")) == date(2026, 7, 21)
    assert calendar.open_interest_date(utc("2026-07-23T10:29:59")) == date(2026, 7, 21)
    assert calendar.open_interest_date(utc("2026-07-23T10:30")) == date(2026, 7, 22)
    assert calendar.open_interest_date(utc("2026-07-27T09:00")) == date(2026, 7, 24)  # Monday before dawn: strictly before Sunday
    assert calendar.open_interest_date(utc("2026-07-28T09:00")) == date(2026, 7, 24)


def test_every_session_agrees_with_its_own_close(calendar: TradingCalendar) -> None:
    dates = calendar.sessions["session_date"]
    instants = calendar.settlement_instants(dates, pl.repeat(False, dates.len(), eager=True))
    assert instants.equals(calendar.sessions["closes_at"], check_names=False)
    assert (calendar.sessions["closes_at"] - calendar.sessions["opens_at"]).min() == timedelta(hours=3, minutes=30)
