"""US sessions by number: session 1 is Monday 2026-11-16, so Thanksgiving and the early close after it are sessions 8 to 9."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from models.market.calendar import TradingCalendar

NEW_YORK = ZoneInfo("America/New_York")
BASE_DATE = date(2026, 11, 13)  # session 0
FIRST_DATE, LAST_DATE = date(2024, 1, 2), date(2039, 12, 30)
FIRST_NUMBER, LAST_NUMBER = -200, 500  # the sessions of a market: far enough from both ends, and where levels stay sane
OPEN_INTEREST_UPDATE = time(6, 30)  # New York


class Session(NamedTuple):
    """One regular US session; instants in UTC, aware."""

    number: int
    date: date
    opens_at: datetime
    closes_at: datetime
    is_early_close: bool
    is_third_friday: bool  # or the session before, when that Friday is a holiday
    is_last_of_week: bool
    is_last_of_month: bool


@lru_cache(maxsize=1)
def all_sessions() -> tuple[Session, ...]:
    """Every session from 2024 to 2039, in order."""
    table = TradingCalendar.new_york().sessions
    columns = table.select("session_date", "opens_at", "closes_at", "is_early_close")
    rows = [row for row in columns.iter_rows() if FIRST_DATE <= row[0] <= LAST_DATE]
    days = [row[0] for row in rows]
    base = bisect_left(days, BASE_DATE)
    months = {(day.year, day.month) for day in days}
    third_fridays = {days[bisect_right(days, _third_friday(*month)) - 1] for month in months}
    following = [*days[1:], LAST_DATE + timedelta(days=7)]
    return tuple(
        Session(
            number=position - base,
            date=day,
            opens_at=opens_at.replace(tzinfo=UTC),
            closes_at=closes_at.replace(tzinfo=UTC),
            is_early_close=is_early_close,
            is_third_friday=day in third_fridays,
            is_last_of_week=day.isocalendar()[:2] != after.isocalendar()[:2],
            is_last_of_month=day.month != after.month,
        )
        for position, ((day, opens_at, closes_at, is_early_close), after) in enumerate(zip(rows, following, strict=True))
    )


def session(number: int) -> Session:
    """The session of a number."""
    return all_sessions()[number - all_sessions()[0].number]


def last_session_by(day: date) -> int:
    """Number of the last session on or before a date."""
    return all_sessions()[bisect_right(all_sessions(), day, key=lambda each: each.date) - 1].number


def last_session_open_at(instant: datetime) -> int:
    """Number of the last session that had opened at an aware instant."""
    return all_sessions()[bisect_right(all_sessions(), instant, key=lambda each: each.opens_at) - 1].number


def clearing_day(instant: datetime) -> date:
    """The New York date whose morning files a venue shows: before 06:30 still those of the day before."""
    local = instant.astimezone(NEW_YORK)
    return local.date() - timedelta(days=1 if local.time() < OPEN_INTEREST_UPDATE else 0)


def _third_friday(year: int, month: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(4 - first.weekday()) % 7 + 14)
