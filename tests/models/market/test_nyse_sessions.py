"""The sessions that ship with the project against exchange_calendars, session by session."""

from __future__ import annotations

import subprocess
import sys
import warnings
from datetime import date, time, timedelta
from pathlib import Path

import polars as pl
import pytest

from models.market import nyse_sessions
from models.market.calendar import FIRST_DAY, LAST_DAY, NEW_YORK, TradingCalendar

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def expected() -> pl.DataFrame:
    """Sessions of exchange_calendars' XNYS, in the columns of `TradingCalendar.sessions`."""
    import exchange_calendars  # takes half a second, which the collection of other tests need not wait for

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own use of pandas is deprecated from one pandas release to the next
        schedule = exchange_calendars.get_calendar("XNYS", start="2000-01-01", end="2040-12-31").schedule
    closes_at = schedule["close"].dt.tz_convert(NEW_YORK.key)
    return pl.DataFrame(
        {
            "session_date": [session.date() for session in schedule.index],
            "opens_at": [instant.to_pydatetime() for instant in schedule["open"].dt.tz_convert(None)],
            "closes_at": [instant.to_pydatetime() for instant in schedule["close"].dt.tz_convert(None)],
            "is_early_close": [instant.time() < time(16) for instant in closes_at],
        },
        schema={"session_date": pl.Date, "opens_at": pl.Datetime("us"), "closes_at": pl.Datetime("us"), "is_early_close": pl.Boolean},
    )


def test_every_session_open_and_close_agrees_with_exchange_calendars(calendar: TradingCalendar, expected: pl.DataFrame) -> None:
    assert expected.height == 10_305 and expected["is_early_close"].sum() == 89, "nothing was lost on the way here"
    days = set(calendar.sessions["session_date"]) ^ set(expected["session_date"])
    assert not days, f"sessions of one and not of the other: {sorted(days)}"
    apart = calendar.sessions.join(expected, on="session_date", suffix="_expected").filter(
        pl.any_horizontal(pl.col(name) != pl.col(f"{name}_expected") for name in ("opens_at", "closes_at", "is_early_close"))
    )
    assert apart.is_empty(), apart.rows()
    assert calendar.sessions.schema == expected.schema and calendar.sessions.equals(expected)


def test_every_year_of_the_calendar_is_listed() -> None:
    years = list(range(FIRST_DAY.year, LAST_DAY.year + 1))
    assert list(nyse_sessions.HOLIDAYS) == years and list(nyse_sessions.EARLY_CLOSES) == years


def test_what_is_listed_is_a_weekday_and_is_listed_once() -> None:
    closed, early = nyse_sessions.closed_weekdays(), nyse_sessions.early_closes()
    assert all(day.isoweekday() <= 5 for day in [*closed, *early])
    assert len(set(closed)) == len(closed) and len(set(early)) == len(early)
    assert not set(closed) & set(early)


def test_the_exchange_was_closed_for_four_sessions_in_september_2001(calendar: TradingCalendar) -> None:
    assert calendar.last_session_before(date(2001, 9, 17)) == date(2001, 9, 10)
    assert all(calendar.close_of(date(2001, 9, 10) + timedelta(days=count)) is None for count in range(1, 7))


def test_the_calendar_needs_no_library_of_development() -> None:
    """`exchange_calendars` and pandas are not there in a normal installation."""
    code = """
import sys
sys.modules.update(dict.fromkeys(("pandas", "exchange_calendars")))  # importing them is an error now
from models.market.calendar import TradingCalendar
assert TradingCalendar.new_york().sessions.height == 10305
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
