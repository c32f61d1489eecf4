"""Alerts as a step of a run: the rules before the publication, so that it holds what they find; the delivery after it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from flows.delivery import address_names, deliver
from models.errors import PublicationMissing, PublicationUnreadable
from warehouse.alerts import Note, conditions, notes_due, record, record_deliveries
from warehouse.freshness import freshness
from warehouse.home import Home
from warehouse.logs import logged
from warehouse.settings import Settings
from warehouse.status import VenueOutcome, note_alerts, read_status, status_venues
from warehouse.work import open_work, read_calendar

LOG = logging.getLogger("strikehouse.alerts")


@dataclass(frozen=True)
class AlertNews:
    """What people should be told of one evaluation."""

    opened: Sequence[str] = ()
    cleared: Sequence[str] = ()
    failures: Sequence[str] = ()  # addresses that did not take what was due, and why; or why the rules could not be asked


NO_NEWS = AlertNews()


def alerts_before_publication(
    con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, outcomes: Sequence[VenueOutcome]
) -> AlertNews:
    """Ask every rule about what a run has loaded; what it opens is published with it."""
    return _ask_rules(con, home, settings, outcomes, held=_last_held(home), now=datetime.now(UTC))


def alerts_after_publication(
    con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, news: AlertNews, outcomes: Sequence[VenueOutcome], *, held: str | None
) -> AlertNews:
    """Ask again when the publication has changed what the rules find, then deliver."""
    now = datetime.now(UTC)
    if (held is None) != (_last_held(home) is None):
        more = _ask_rules(con, home, settings, outcomes, held=held, now=now)
        news = AlertNews([*news.opened, *more.opened], [*news.cleared, *more.cleared], [*news.failures, *more.failures])
    return _send(con, settings, news, now)


def alerts_without_run(home: Home, settings: Settings, now: datetime) -> AlertNews:
    """Ask every rule and deliver where no run does, for data that no longer come. Raises `WorkFileLocked` while a run has the work file."""
    with open_work(home, settings, "status --alert") as con:
        news = _send(con, settings, _ask_rules(con, home, settings, (), held=_last_held(home), now=now), now)
        note_alerts(con, home)
        return news


def _ask_rules(
    con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, outcomes: Sequence[VenueOutcome], *, held: str | None, now: datetime
) -> AlertNews:
    """Bring `ops.alerts` up to date. A rule that fails is said so and does not end the run."""
    with logged(step="alerts"):
        try:
            rows = freshness(status_venues(con, home, outcomes), settings.freshness, now, read_calendar(con), settings.watchlist)
            found = conditions(con, settings.alerts.rules, rows, held=held)
            changes = record(con, found, now, tell_cleared=settings.alerts.notify_cleared)
        except duckdb.Error as error:
            LOG.exception("the rules could not be asked", extra={"shown": True})
            return AlertNews(failures=[f"The rules could not be asked: {str(error).splitlines()[0]}"])
        for one in changes.opened:
            LOG.warning("alert: %s", one.message, extra={"shown": True})
        for message in changes.cleared:
            LOG.info("over: %s", message)
        return AlertNews([one.message for one in changes.opened], changes.cleared)


def _send(con: duckdb.DuckDBPyConnection, settings: Settings, news: AlertNews, now: datetime) -> AlertNews:
    """Deliver what is due, to each address what it has not taken yet; what fails is due again at the next evaluation."""
    names = address_names(settings)
    notes = notes_due(con) if names else []
    if not notes:
        return news
    with logged(step="alerts"):
        failures = deliver(settings, {name: [_text(note) for note in notes if name not in note.delivered_to] for name in names})
        record_deliveries(con, notes, names, failures, now)
        for failure in failures.values():
            LOG.error("not delivered: %s", failure, extra={"shown": True})
        return AlertNews(news.opened, news.cleared, [*news.failures, *failures.values()])


def _last_held(home: Home) -> str | None:
    """Why the last run was not published."""
    try:
        held: str | None = read_status(home)["held"]
    except (PublicationMissing, PublicationUnreadable):
        return None
    return held


def _text(note: Note) -> str:
    return f"Over: {note.message}" if note.is_clear_note else note.message
