"""Outbox of alerts that were raised during a run: published/alerts.json, until the next evaluation flushes it into the work file.

While a run has locked the work file, or hangs with it, `ops.alerts` cannot be written; stale data must still be reported, once. Every
evaluation holds `alerts_lock` and writes the open alerts to status.json, so that runs and other evaluations know what was delivered.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import duckdb
import orjson
import polars as pl

from models.contracts.ops import Alerts
from warehouse.home.files import disk_errors, write_whole
from warehouse.home.paths import Home
from warehouse.monitor.alerts import Condition
from warehouse.publish.status import instant_text
from warehouse.storage.transactions import mark_unpublished, transaction
from warehouse.storage.work_file import insert

LOG = logging.getLogger("strikehouse.alerts")
_SCHEMA = pl.Schema({name: column.dtype for name, column in Alerts.columns().items()})


@dataclass(frozen=True)
class PendingAlert:
    """An alert that is not in `ops.alerts` yet; its fields are columns there. Instants are naive UTC."""

    alert_key: str
    rule: str
    kind: str
    underlying: str
    message: str
    first_seen_at: datetime
    last_seen_at: datetime
    delivered_at: datetime | None = None
    delivered_to: str = ""
    delivery_error: str | None = None

    @property
    def addresses(self) -> frozenset[str]:
        """Addresses that accepted it."""
        return frozenset(self.delivered_to.split(",")) - {""}


def read_outbox(home: Home) -> list[PendingAlert]:
    """Read the outbox, oldest first. A damaged file counts as empty, so that at worst an alert is delivered twice."""
    try:
        with disk_errors(home.alerts_file):
            rows = orjson.loads(home.alerts_file.read_bytes()) if home.alerts_file.exists() else []
        return [PendingAlert(**row | {name: _instant(row[name]) for name in _INSTANTS}) for row in rows]
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError) as error:
        LOG.warning("%s cannot be read (%s); the next alert replaces it", home.alerts_file, error)
        return []


def outbox_as_status(home: Home) -> list[dict[str, Any]]:
    """The outbox in the form of open alerts in status.json."""
    return [
        {
            "alert_key": one.alert_key, "rule": one.rule, "underlying": one.underlying, "message": one.message,
            "first_seen_at": instant_text(one.first_seen_at), "delivered_at": instant_text(one.delivered_at),
            "delivery_error": one.delivery_error,
        }
        for one in read_outbox(home)
    ]  # fmt: skip


def write_outbox(home: Home, alerts: Sequence[PendingAlert]) -> None:
    """Replace the outbox; without alerts, remove the file."""
    if alerts:
        write_whole(home.alerts_file, orjson.dumps(alerts, option=orjson.OPT_INDENT_2))
    else:
        with disk_errors(home.alerts_file):
            home.alerts_file.unlink(missing_ok=True)


def merged_outbox(
    pending: Sequence[PendingAlert], conditions: Sequence[Condition], is_open: Collection[str], now: datetime
) -> list[PendingAlert]:
    """The outbox after an evaluation at `now` (naive UTC): pending alerts, updated if seen again, and newly open conditions.

    Alerts are not cleared here: the end of a run does that.
    """
    by_key = {one.alert_key: one for one in conditions}
    again = [replace(one, last_seen_at=now, message=by_key[one.alert_key].message) if one.alert_key in by_key else one for one in pending]
    known = {*is_open, *(one.alert_key for one in pending)}
    return [*again, *(PendingAlert(**vars(one), first_seen_at=now, last_seen_at=now) for one in conditions if one.alert_key not in known)]


def delivered(one: PendingAlert, addresses: Sequence[str], failures: Mapping[str, str], now: datetime) -> PendingAlert:
    """An alert after a delivery at `now`; `failures`: address → error."""
    taken = ",".join(name for name in addresses if name not in failures or name in one.addresses)
    return replace(one, delivered_to=taken, delivered_at=None if failures else now, delivery_error="; ".join(failures.values()) or None)


def flush_outbox(con: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Move the outbox into `ops.alerts`. Can be repeated after a kill at any point."""
    pending = read_outbox(home)
    if not pending:
        return
    is_open = {key for (key,) in con.execute("select alert_key from ops.alerts where cleared_at is null").fetchall()}
    rows = [asdict(one) | {"cleared_at": None, "is_clear_note_due": False} for one in pending if one.alert_key not in is_open]
    with transaction(con):
        insert(con, "ops.alerts", pl.DataFrame(rows, schema=_SCHEMA))
        mark_unpublished(con)
    write_outbox(home, [])


_INSTANTS = ("first_seen_at", "last_seen_at", "delivered_at")


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
