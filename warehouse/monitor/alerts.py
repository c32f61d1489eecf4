"""Alerts: evaluates the rules and records their conditions in `ops.alerts`.

A condition has a key. While it holds it stays one alert, which is delivered once; when it no longer holds the alert ends, and when it
holds again it is a new one. Rules on numbers are queries of sql/alerts on the newest live snapshot of each underlying;
`stale` and `venue_missing` read what the runs reported, because data that never arrived are in no table.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from models.contracts.ops import Alerts
from warehouse.catalog.relations import SQL_FOLDER
from warehouse.home.paths import Home
from warehouse.monitor.freshness import Freshness
from warehouse.settings.alerts import CheckFailed, MaxPainMoved, Rule, Stale, VenueMissing
from warehouse.storage.transactions import mark_unpublished, transaction
from warehouse.storage.work_file import insert

LOG = logging.getLogger("strikehouse.alerts")
LONGEST_MESSAGE = 400
_SCHEMA = pl.Schema({name: column.dtype for name, column in Alerts.columns().items()})


@dataclass(frozen=True)
class Condition:
    """A condition that a rule detects."""

    alert_key: str
    rule: str
    kind: str
    underlying: str
    message: str


@dataclass(frozen=True)
class Changes:
    """Changes of one evaluation."""

    opened: Sequence[Condition]
    cleared: Sequence[str]  # messages of the alerts that ended


@dataclass(frozen=True)
class Note:
    """A notification: an alert, or its end."""

    alert_key: str
    first_seen_at: datetime  # naive UTC
    message: str
    is_clear_note: bool
    delivered_to: frozenset[str]  # addresses that already accepted it


def conditions(
    con: duckdb.DuckDBPyConnection, rules: Sequence[Rule], venues: Sequence[Freshness], *, hold_reason: str | None = None
) -> list[Condition]:
    """The conditions that the rules detect, sorted by key; `hold_reason`: why the run was not published, if so. Read-only."""
    matches = [one for rule in rules for one in _conditions_of(con, rule, venues, hold_reason)]
    return sorted(matches, key=lambda one: one.alert_key)


def stale_conditions(rules: Sequence[Rule], venues: Sequence[Freshness]) -> list[Condition]:
    """The conditions of rules of kind `stale`, sorted by key; they need no tables."""
    return sorted((one for rule in rules if isinstance(rule, Stale) for one in _stale(rule, venues)), key=lambda one: one.alert_key)


def record(con: duckdb.DuckDBPyConnection, current: Sequence[Condition], now: datetime, *, tell_cleared: bool) -> Changes:
    """Update `ops.alerts`: open alerts for new conditions, end those whose conditions no longer hold."""
    at = _naive(now)
    was_open = {key for (key,) in con.execute("select alert_key from ops.alerts where cleared_at is null").fetchall()}
    if not current and not was_open:
        return Changes((), ())
    with transaction(con):
        con.register("found", pl.DataFrame([vars(one) for one in current], schema=dict.fromkeys(_CONDITION, pl.String)))
        con.execute(_STILL_OPEN, {"at": at})
        cleared = con.execute(_CLEARED, {"at": at, "tell": tell_cleared}).fetchall()
        con.unregister("found")
        opened = [one for one in current if one.alert_key not in was_open]
        instant = {"first_seen_at": at, "last_seen_at": at, "delivered_to": "", "is_clear_note_due": False}
        insert(con, "ops.alerts", pl.DataFrame([vars(one) | instant for one in opened], schema=_SCHEMA))
        if opened or cleared:
            mark_unpublished(con)
    return Changes(opened, sorted(message for (message,) in cleared))


_CONDITION = tuple(Condition.__dataclass_fields__)
_STILL_OPEN = """
    update ops.alerts set last_seen_at = $at, message = found.message
    from found where alerts.alert_key = found.alert_key and alerts.cleared_at is null
"""
_CLEARED = """
    update ops.alerts set cleared_at = $at, is_clear_note_due = $tell and delivered_at is not null
    where cleared_at is null and alert_key not in (select alert_key from found)
    returning message
"""


def notes_due(con: duckdb.DuckDBPyConnection) -> list[Note]:
    """Notifications that are due, oldest first: open alerts, alerts whose delivery failed, and ends to report."""
    rows = con.execute(_DUE).fetchall()
    return [Note(key, first, message, over, frozenset(to.split(",")) - {""}) for key, first, message, over, to in rows]


_DUE = """
    select alert_key, first_seen_at, message, is_clear_note_due, case when is_clear_note_due then '' else delivered_to end
    from ops.alerts
    where (delivered_at is null and (cleared_at is null or delivery_error is not null)) or is_clear_note_due
    order by first_seen_at, alert_key
"""


def record_deliveries(
    con: duckdb.DuckDBPyConnection, notes: Sequence[Note], addresses: Sequence[str], failures: Mapping[str, str], now: datetime
) -> None:
    """Record which addresses accepted the notes; `failures`: address → error. An end is sent once, delivered or not."""
    outcome = {"error": "; ".join(failures.values()) if failures else None, "at": None if failures else _naive(now)}
    with transaction(con):
        for note in notes:
            this = {"key": note.alert_key, "first": note.first_seen_at}
            if note.is_clear_note:
                con.execute(f"update ops.alerts set is_clear_note_due = false where {_THIS}", this)
                continue
            taken = ",".join(one for one in addresses if one not in failures or one in note.delivered_to)
            con.execute(
                f"update ops.alerts set delivered_to = $taken, delivery_error = $error, delivered_at = $at where {_THIS}",
                this | outcome | {"taken": taken},
            )
        if notes:
            mark_unpublished(con)


_THIS = "alert_key = $key and first_seen_at = $first"


def carry_over(con: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Copy the alerts of the home's work file, or of its published one, into a new work file: raw/ does not contain them."""
    if con.execute("select 1 from ops.alerts limit 1").fetchall():
        return
    for file in (home.work_file, home.published_file):
        rows = _alerts_of(file)
        if rows is not None:
            insert(con, "ops.alerts", rows)
            return


def _alerts_of(file: Path) -> pl.DataFrame | None:
    """Alerts of another file; None when it is missing, of a version without alerts, or damaged, which a rebuild repairs."""
    if not file.exists():
        return None
    try:
        with duckdb.connect(str(file), read_only=True) as other:
            return other.execute(f"select {', '.join(_SCHEMA)} from ops.alerts order by first_seen_at, alert_key").pl()
    except duckdb.CatalogException:
        return None
    except duckdb.Error as error:
        LOG.warning("%s: its alerts cannot be read (%s)", file, str(error).splitlines()[0])
        return None


def _conditions_of(con: duckdb.DuckDBPyConnection, rule: Rule, venues: Sequence[Freshness], hold_reason: str | None) -> list[Condition]:
    if isinstance(rule, Stale):
        return _stale(rule, venues)
    if isinstance(rule, VenueMissing):
        return _missing(rule, venues)
    parameters: dict[str, Any] = {}
    if isinstance(rule, MaxPainMoved):
        parameters = {"pct": rule.pct, "expiries": rule.expiries, "dte_max": rule.dte_max}
    elif isinstance(rule, CheckFailed):
        parameters = {"severity": rule.severity}
    rows = con.execute((SQL_FOLDER / "alerts" / f"{rule.kind}.sql").read_text(), parameters or None).fetchall()
    matches = [_condition(rule, *row) for row in rows if _concerns(rule, row[0])]
    if isinstance(rule, CheckFailed) and hold_reason is not None:
        matches.append(_condition(rule, "", "publication", f"Not published. {hold_reason}"))
    return matches


def _stale(rule: Stale, venues: Sequence[Freshness]) -> list[Condition]:
    """Stale data of the watchlist only: data of manual runs may age."""
    return [
        _condition(rule, one.underlying, one.venue, f"{one.underlying} on {one.venue} is {one.state}: {one.why}")
        for one in venues
        if one.is_watched and one.is_at_least(rule.level) and _concerns(rule, one.underlying)
    ]


def _missing(rule: VenueMissing, venues: Sequence[Freshness]) -> list[Condition]:
    return [
        _condition(rule, one.underlying, one.venue, f"{one.underlying} is missing on {one.venue}: {one.error or one.last_status}")
        for one in venues
        if one.last_status != "ok" and (not rule.venues or one.venue in rule.venues) and _concerns(rule, one.underlying)
    ]


def _condition(rule: Rule, underlying: str, subject: str, message: str) -> Condition:
    name = rule.name or rule.kind
    return Condition(f"{name}|{underlying}|{subject}", name, rule.kind, underlying, _short(message))


def _concerns(rule: Rule, underlying: str) -> bool:
    return not rule.underlyings or underlying in rule.underlyings


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= LONGEST_MESSAGE else f"{line[: LONGEST_MESSAGE - 1]}…"


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)
