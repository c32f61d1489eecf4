"""Decisions about due runs, made once each: from the watchlist, the clock and published/schedule.json.

Import this module after `set_prefect_environment`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import takewhile

from flows.prefect_app.due import due_instants, market_of
from models.market.calendar import TradingCalendar
from models.market.schedule import SKIPPED, Decision, decide_all
from warehouse.home.paths import Home
from warehouse.publish.schedule_log import changing_schedule_log
from warehouse.settings import Settings


def decide_due(
    home: Home,
    settings: Settings,
    calendar: TradingCalendar,
    underlyings: Iterable[str],
    *,
    now: datetime,
    run_id: str,
    busy: Mapping[str, str],
    due: datetime,
) -> dict[str, list[Decision]]:
    """Decide everything that has come due and is not decided, and note it; no other process decides it again.

    `busy`: underlyings whose run before has not ended, and who runs it; they are skipped. `due`: what an underlying that has no
    past begins with. Of each underlying at most the last decision is to run.
    """
    decided: dict[str, list[Decision]] = {}
    with changing_schedule_log(home, retention=timedelta(days=settings.schedule.kept_days), now=now) as log:
        for underlying in underlyings:
            since = log.decided(underlying) or due - timedelta(microseconds=1)
            decisions = _undecided(settings, underlying, since, now, calendar)
            if underlying in busy:
                decisions = [Decision(one.due_at, now, SKIPPED, busy[underlying]) if one.is_to_run else one for one in decisions]
            log.add(underlying, decisions, run_id)
            decided[underlying] = decisions
    return decided


def note_missed(home: Home, settings: Settings, calendar: TradingCalendar, now: datetime) -> dict[str, datetime]:
    """Before schedules are served: note what was missed since the last decision.

    Returns the underlyings that are still worth a late run, and when that was due. An underlying that is new begins now.
    """
    late: dict[str, datetime] = {}
    with changing_schedule_log(home, retention=timedelta(days=settings.schedule.kept_days), now=now) as log:
        for underlying, watch in settings.watchlist.items():
            if not watch.schedule:
                continue
            log.begin(underlying, now)
            decisions = _undecided(settings, underlying, log.decided(underlying) or now, now, calendar)
            # What follows a run that can still be made (a holiday, say) is decided with it.
            log.add(underlying, list(takewhile(lambda one: not one.is_to_run, decisions)), None)
            for one in decisions:
                if one.is_to_run:  # at most one is
                    late[underlying] = one.due_at
    return late


def _undecided(settings: Settings, underlying: str, since: datetime, now: datetime, calendar: TradingCalendar) -> list[Decision]:
    watch = settings.watchlist[underlying]
    dues = due_instants(watch, since, now)
    return decide_all(market_of(watch), dues, now, calendar, timedelta(minutes=settings.schedule.grace_minutes))
