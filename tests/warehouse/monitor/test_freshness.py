"""Freshness: crypto by hours, US by sessions that closed without data, so that no weekend and no holiday makes data stale."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.errors import PublicationMissing
from models.market.calendar import TradingCalendar
from warehouse.home.paths import Home
from warehouse.monitor.freshness import DEGRADED, HEALTHY, STALE, UNAVAILABLE, Freshness, freshness, read_trading_calendar
from warehouse.read.query import open_published
from warehouse.settings import DEFAULT_WATCHLIST, FreshnessSettings

NEW_YORK = ZoneInfo("America/New_York")
LIMITS = FreshnessSettings()


def row(
    calendar: TradingCalendar,
    captured_at: datetime | None,
    now: datetime,
    *,
    venue: str = "cboe",
    last_status: str = "ok",
    error: str | None = None,
) -> Freshness:
    one = {
        "underlying": "SPX" if venue == "cboe" else "BTC", "venue": venue, "market": "us" if venue == "cboe" else "crypto", "last_status": last_status,
        "error": error, "captured_at": captured_at.astimezone(UTC).isoformat() if captured_at else None,
    }  # fmt: skip
    (status,) = freshness([one], LIMITS, now, calendar, DEFAULT_WATCHLIST)
    return status


def new_york(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=NEW_YORK)


FRIDAY_EVENING = new_york(date(2026, 1, 16), 16, 45)  # Monday the 19th is a holiday


@pytest.mark.parametrize(
    ("now", "state", "missed"),
    [
        (new_york(date(2026, 1, 17), 12), HEALTHY, 0),
        (new_york(date(2026, 1, 19), 23), HEALTHY, 0),  # Martin Luther King's day
        (new_york(date(2026, 1, 20), 19, 59), HEALTHY, 0),  # Tuesday's close is not four hours past
        (new_york(date(2026, 1, 20), 20), DEGRADED, 1),
        (new_york(date(2026, 1, 21), 19, 59), DEGRADED, 1),
        (new_york(date(2026, 1, 21), 20), STALE, 2),
        (new_york(date(2026, 1, 23), 20), STALE, 4),
        (new_york(date(2026, 1, 26), 20), UNAVAILABLE, 5),
    ],
)
def test_us_data_grow_old_by_sessions_over_a_long_weekend(calendar: TradingCalendar, now: datetime, state: str, missed: int) -> None:
    status = row(calendar, FRIDAY_EVENING, now)
    assert (status.state, status.sessions_missed) == (state, missed)


def test_a_capture_before_the_open_holds_the_session_before(calendar: TradingCalendar) -> None:
    tuesday = date(2026, 1, 20)
    before_open, after_close = new_york(tuesday, 9, 15), new_york(tuesday, 16, 45)
    evening = new_york(tuesday, 21)
    assert row(calendar, before_open, evening).state == DEGRADED
    assert row(calendar, after_close, evening).state == HEALTHY


def test_an_early_close_is_due_earlier(calendar: TradingCalendar) -> None:
    wednesday, friday = date(2026, 11, 25), date(2026, 11, 27)  # closes at 13:00
    captured_at = new_york(wednesday, 16, 45)
    assert row(calendar, captured_at, new_york(friday, 16, 59)).state == HEALTHY
    assert row(calendar, captured_at, new_york(friday, 17)).state == DEGRADED


@given(day=st.dates(date(2024, 1, 2), date(2026, 12, 31)), later_hours=st.integers(0, 400))
def test_sessions_missed_are_those_of_a_walk_over_days(calendar: TradingCalendar, day: date, later_hours: int) -> None:
    captured_at = new_york(day, 17)
    now = captured_at + timedelta(hours=later_hours)
    missed = row(calendar, captured_at, now).sessions_missed
    walked, one = 0, day + timedelta(days=1)
    while one <= now.astimezone(NEW_YORK).date():
        close = calendar.close_of(one)
        walked += close is not None and close + timedelta(hours=LIMITS.us_grace_hours) <= now
        one += timedelta(days=1)
    assert missed == walked


@pytest.mark.parametrize(
    ("hours", "state"), [(0.1, HEALTHY), (1.5, HEALTHY), (1.6, DEGRADED), (3, DEGRADED), (3.1, STALE), (24, STALE), (24.1, UNAVAILABLE)]
)
def test_crypto_grows_old_by_hours_on_any_day(calendar: TradingCalendar, hours: float, state: str) -> None:
    status = row(calendar, FRIDAY_EVENING, FRIDAY_EVENING + timedelta(hours=hours), venue="deribit")
    assert (status.state, status.sessions_missed) == (state, None)
    assert status.age_hours == pytest.approx(hours)


def test_a_failed_run_degrades_data_that_are_recent_and_leaves_worse_as_it_is(calendar: TradingCalendar) -> None:
    said = {"last_status": "failed", "error": "deribit: HTTP 503"}
    status = row(
        calendar, FRIDAY_EVENING, FRIDAY_EVENING + timedelta(hours=1), venue="deribit", last_status="failed", error="deribit: HTTP 503"
    )
    assert status.state == DEGRADED and "HTTP 503" in status.why
    assert row(calendar, FRIDAY_EVENING, FRIDAY_EVENING + timedelta(hours=5), venue="deribit", **said).state == STALE  # type: ignore[arg-type]
    never = row(calendar, None, FRIDAY_EVENING, venue="deribit", **said)  # type: ignore[arg-type]
    assert (never.state, never.age_hours) == (UNAVAILABLE, None) and "nothing usable ever came" in never.why


def test_what_is_not_on_the_watchlist_is_marked(calendar: TradingCalendar) -> None:
    one = {
        "underlying": "GLD",
        "venue": "cboe",
        "market": "us",
        "last_status": "ok",
        "error": None,
        "captured_at": FRIDAY_EVENING.isoformat(),
    }
    assert [
        status.is_watched for status in freshness([one, one | {"underlying": "SPX"}], LIMITS, FRIDAY_EVENING, calendar, DEFAULT_WATCHLIST)
    ] == [False, True]


@pytest.mark.parametrize("wrong", [{"crypto_stale_hours": 1.0}, {"us_stale_sessions": 6}, {"crypto_unavailable_hours": 2}])
def test_limits_rise_from_state_to_state(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="must hold"):
        FreshnessSettings(**wrong)  # type: ignore[arg-type]


def test_without_a_publication_the_calendar_is_the_librarys(home: Home, calendar: TradingCalendar) -> None:
    with pytest.raises(PublicationMissing), open_published(home):
        pass
    assert read_trading_calendar(home).sessions.equals(calendar.sessions)
