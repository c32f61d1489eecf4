"""Freshness of the last usable data per underlying and venue, computed on demand.

healthy      data are as recent as the schedule promises
degraded     a little late, or the last run failed there and earlier data are still recent
stale        too late to be relied on
unavailable  very late, or no usable data were ever received

Crypto trades always: its age is in hours. US options are fresh until a session has closed without data of it: sessions are counted, not
nights, weekends and holidays. The limits are settings (`[freshness]`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from models.errors import PublicationMissing, PublicationUnreadable, QueryFailed
from models.market.calendar import TradingCalendar
from warehouse.home.paths import Home
from warehouse.read.query import open_published, query_on
from warehouse.settings import FreshnessSettings, Watch

HEALTHY, DEGRADED, STALE, UNAVAILABLE = STATES = ("healthy", "degraded", "stale", "unavailable")


@dataclass(frozen=True)
class Freshness:
    """Age of the last usable data of one underlying on one venue."""

    underlying: str
    venue: str
    state: str
    why: str
    captured_at: datetime | None  # UTC, of the last usable snapshot
    age_hours: float | None
    sessions_missed: int | None  # US: sessions closed since without data; None for crypto
    last_status: str  # of the last run that requested it
    error: str | None
    is_watched: bool

    def is_at_least(self, state: str) -> bool:
        """Whether the state is as bad as the given one, or worse."""
        return STATES.index(self.state) >= STATES.index(state)


def freshness(
    venues: Collection[Mapping[str, Any]],
    limits: FreshnessSettings,
    now: datetime,
    calendar: TradingCalendar,
    watchlist: Mapping[str, Watch],
) -> list[Freshness]:
    """Per underlying and venue of status.json, the age of its last usable data at an aware instant, in input order."""
    return [_row(one, limits, now, calendar, watchlist) for one in venues]


def read_trading_calendar(home: Home) -> TradingCalendar:
    """The sessions of the published file; without a readable one, the built-in ones."""
    try:
        with open_published(home) as con:
            return TradingCalendar(query_on(con, _SESSIONS))
    except (PublicationMissing, PublicationUnreadable, QueryFailed):
        return TradingCalendar.new_york()


_SESSIONS = "select * from core.sessions order by session_date"


def _row(
    one: Mapping[str, Any], limits: FreshnessSettings, now: datetime, calendar: TradingCalendar, watchlist: Mapping[str, Watch]
) -> Freshness:
    captured_at = datetime.fromisoformat(one["captured_at"]) if one["captured_at"] else None
    watch = watchlist.get(one["underlying"])
    is_watched = watch is not None and one["venue"] in watch.venues
    age_hours, missed = None, None
    if captured_at is None:
        state, why = UNAVAILABLE, "nothing usable ever came"
    else:
        age_hours = (now - captured_at).total_seconds() / 3600
        if one["market"] == "us":
            missed = _sessions_missed(calendar, captured_at, now, limits.us_grace_hours)
            bounds = (limits.us_degraded_sessions, limits.us_stale_sessions, limits.us_unavailable_sessions)
            state = STATES[sum(missed >= bound for bound in bounds)]
            why = f"{missed} session{'' if missed == 1 else 's'} closed without data" if missed else "the last closed session is there"
        else:
            hours = (limits.crypto_degraded_hours, limits.crypto_stale_hours, limits.crypto_unavailable_hours)
            state = STATES[sum(age_hours > bound for bound in hours)]
            why = f"within {hours[0]:g} hours" if state == HEALTHY else f"over {hours[STATES.index(state) - 1]:g} hours old"
    if one["last_status"] != "ok":
        state = DEGRADED if state == HEALTHY else state
        why = f"{why}; the last run: {one['error'] or one['last_status']}"
    return Freshness(
        one["underlying"], one["venue"], state, why, captured_at, age_hours, missed, one["last_status"], one["error"], is_watched
    )


def _sessions_missed(calendar: TradingCalendar, captured_at: datetime, now: datetime, grace_hours: float) -> int:
    """Sessions after that of the data that closed at least so many hours ago."""
    session = calendar.last_session_open_for(captured_at)
    due = (now - timedelta(hours=grace_hours)).astimezone(UTC).replace(tzinfo=None)
    return calendar.sessions.filter((pl.col("session_date") > session) & (pl.col("closes_at") <= due)).height
