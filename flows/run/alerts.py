"""Alerts as a step of a run: the rules before the publication, so that it holds what they find; the delivery after it.

Beside a run that has the work file, however long, `status --alert` asks the rules that need only status.json.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from flows.run.delivery import address_names, deliver
from models.errors import AlreadyRunning, PublicationMissing, PublicationUnreadable, WorkFileLocked
from warehouse.home.locks import alerts_lock
from warehouse.home.logs import logged
from warehouse.home.paths import Home
from warehouse.monitor.alert_outbox import delivered, flush_outbox, merged_outbox, read_outbox, write_outbox
from warehouse.monitor.alerts import Note, conditions, notes_due, record, record_deliveries, stale_conditions
from warehouse.monitor.freshness import freshness
from warehouse.monitor.status import read_freshness
from warehouse.publish.status import VenueOutcome, note_alerts, read_status, status_venues
from warehouse.settings import Settings
from warehouse.storage.work_file import open_work, read_calendar

LOG = logging.getLogger("strikehouse.alerts")


@dataclass(frozen=True)
class AlertNews:
    """What people should be told of one evaluation."""

    opened: Sequence[str] = ()
    cleared: Sequence[str] = ()
    failures: Sequence[str] = ()  # addresses that did not take what was due, and why; or why the rules could not be asked
    not_asked: str | None = None  # who has the work file, so that only rules of kind stale were asked


NO_NEWS = AlertNews()


def alerts_without_run(home: Home, settings: Settings, now: datetime) -> AlertNews:
    """Ask every rule and deliver where no run does, for data that no longer come.

    While another process has the work file, rules of kind `stale` are asked all the same. Raises `PublicationMissing` before the first run,
    `AlreadyRunning` while another process asks.
    """
    try:
        with open_work(home, settings, "status --alert") as con:
            news = deliver_news(con, settings, evaluate_rules(con, home, settings, (), hold_reason=_last_hold_reason(home), now=now), now)
            note_alerts(con, home)
            return news
    except WorkFileLocked as error:
        return _alerts_during_run(home, settings, now, str(error))


def _alerts_during_run(home: Home, settings: Settings, now: datetime, why: str) -> AlertNews:
    """Ask what status.json answers, tell what nobody has told, and keep it for the next evaluation that has the work file."""
    at = now.astimezone(UTC).replace(tzinfo=None)
    with alerts_lock(home, "status --alert"), logged(step="alerts"):
        state, rows = read_freshness(home, settings, now)
        earlier = read_outbox(home)
        is_open = {one.get("alert_key") for one in state["alerts"]}
        outbox = merged_outbox(earlier, stale_conditions(settings.alerts.rules, rows), is_open, at)
        opened = [one.message for one in outbox[len(earlier) :]]
        for message in opened:
            LOG.warning("alert: %s", message, extra={"shown": True})
        names = address_names(settings)
        due = [one for one in outbox if one.delivered_at is None] if names else []
        failures = deliver(settings, {name: [one.message for one in due if name not in one.addresses] for name in names}) if due else {}
        write_outbox(home, [delivered(one, names, failures, at) if one in due else one for one in outbox])
        return AlertNews(opened, failures=list(failures.values()), not_asked=why)


def evaluate_rules(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    settings: Settings,
    outcomes: Sequence[VenueOutcome],
    *,
    hold_reason: str | None,
    now: datetime,
) -> AlertNews:
    """Bring `ops.alerts` up to date. A rule that fails is said so and does not end the run."""
    with logged(step="alerts"):
        try:
            with alerts_lock(home, "a run"):
                flush_outbox(con, home)
                rows = freshness(status_venues(con, home, outcomes), settings.freshness, now, read_calendar(con), settings.watchlist)
                active = conditions(con, settings.alerts.rules, rows, hold_reason=hold_reason)
                changes = record(con, active, now, tell_cleared=settings.alerts.notify_cleared)
                note_alerts(con, home)
        except (duckdb.Error, AlreadyRunning) as error:
            LOG.exception("the rules could not be asked", extra={"shown": True})
            return AlertNews(failures=[f"The rules could not be asked: {str(error).splitlines()[0]}"])
        for one in changes.opened:
            LOG.warning("alert: %s", one.message, extra={"shown": True})
        for message in changes.cleared:
            LOG.info("over: %s", message)
        return AlertNews([one.message for one in changes.opened], changes.cleared)


def deliver_news(con: duckdb.DuckDBPyConnection, settings: Settings, news: AlertNews, now: datetime) -> AlertNews:
    """Deliver what is due, to each address what it has not taken yet; what fails is due again at the next evaluation."""
    names = address_names(settings)
    notes = notes_due(con) if names else []
    if not notes:
        return news
    with logged(step="alerts"):
        failures = deliver(settings, {name: [_text(note) for note in notes if name not in note.delivered_to] for name in names})
        record_deliveries(con, notes, names, failures, now)
        return AlertNews(news.opened, news.cleared, [*news.failures, *failures.values()])


def _last_hold_reason(home: Home) -> str | None:
    """Why the last run was not published."""
    try:
        hold_reason: str | None = read_status(home)["held"]
    except (PublicationMissing, PublicationUnreadable):
        return None
    return hold_reason


def _text(note: Note) -> str:
    return f"Over: {note.message}" if note.is_clear_note else note.message
