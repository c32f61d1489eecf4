"""published/status.json: results of the last runs. Written after every run.

Freshness is computed at reading time: warehouse/monitor/freshness.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import orjson

from models.errors import PublicationMissing, PublicationUnreadable
from warehouse.home.files import write_whole
from warehouse.home.paths import Home
from warehouse.settings import Settings


@dataclass(frozen=True)
class VenueOutcome:
    """Outcome of one underlying on one venue in a run."""

    underlying: str
    venue: str
    market: str
    status: str  # ok, failed, rejected or empty
    error: str | None
    contracts: int | None
    open_interest: float | None  # units of the underlying
    rejected_rows: int | None
    warnings: Sequence[str]
    unknown_fields: Mapping[str, int]


def write_status(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    *,
    run_id: str | None,
    now: datetime,
    generation: int | None,
    hold_reason: str | None,
    outcomes: Sequence[VenueOutcome] = (),
) -> None:
    """Replace status.json; `generation` is the live one, `hold_reason` says why the run was not published (key `held`)."""
    status = {
        "written_at": now.isoformat(timespec="seconds"),
        "run_id": run_id,
        "generation": generation,
        "held": hold_reason,
        "snapshots_by_settings": dict(con.execute(_BY_SETTINGS).fetchall()),
        "venues": status_venues(con, home, outcomes),
        "alerts": open_alerts(con),
    }
    write_whole(home.status_file, orjson.dumps(status, option=orjson.OPT_INDENT_2))


def status_venues(con: duckdb.DuckDBPyConnection, home: Home, outcomes: Sequence[VenueOutcome] = ()) -> list[dict[str, Any]]:
    """Outcome of each underlying and venue ever requested: from the last status.json and a run that it does not include yet."""
    try:
        known = {(one["underlying"], one["venue"]): one for one in read_status(home)["venues"]}
    except (PublicationMissing, PublicationUnreadable):
        known = {}
    for one in outcomes:
        known[one.underlying, one.venue] = {
            "underlying": one.underlying, "venue": one.venue, "market": one.market, "last_status": one.status, "error": one.error,
        }  # fmt: skip
    usable = dict.fromkeys(known) | {(u, v): instant_text(at) for u, v, at in con.execute(_USABLE).fetchall()}
    return [known[key] | {"captured_at": usable[key]} for key in sorted(known)]


def open_alerts(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Open alerts of `ops.alerts`, oldest first."""
    rows = con.execute(_OPEN).fetchall()
    return [
        {
            "alert_key": key, "rule": rule, "underlying": underlying, "message": message, "first_seen_at": instant_text(first),
            "delivered_at": instant_text(delivered), "delivery_error": error,
        }
        for key, rule, underlying, message, first, delivered, error in rows
    ]  # fmt: skip


_VENUE_KEYS = {"underlying", "venue", "market", "last_status", "error", "captured_at"}
_BY_SETTINGS = "select settings_hash, count(*) from core.snapshots group by all order by all"
_OPEN = """
    select alert_key, rule, underlying, message, first_seen_at, delivered_at, delivery_error
    from ops.alerts where cleared_at is null order by first_seen_at, alert_key
"""
_USABLE = "select underlying, venue, max(captured_at) from core.snapshot_venues where status = 'ok' and origin = 'live' group by all"


def read_status(home: Home) -> dict[str, Any]:
    """The last status; raises `PublicationMissing` or `PublicationUnreadable`."""
    try:
        status = orjson.loads(home.status_file.read_bytes())
        _check(status)
    except FileNotFoundError:
        raise PublicationMissing(f"{home.status_file}: no run has ended yet. Run `strikehouse snapshot`.") from None
    except (OSError, KeyError, TypeError, ValueError) as error:  # a JSON error is a ValueError
        raise PublicationUnreadable(f"{home.status_file} cannot be read ({error}). The next run replaces it.") from error
    checked: dict[str, Any] = status
    return checked


def _check(status: Any) -> None:
    """Validate the file; raises the errors that a damaged one would cause in readers."""
    if not isinstance(status, dict) or not isinstance(status["venues"], list):
        raise TypeError("it is no status")
    _aware(status["written_at"])
    for one in status["venues"]:
        if missing := _VENUE_KEYS - set(one):
            raise KeyError(*sorted(missing))
        if one["captured_at"] is not None:
            _aware(one["captured_at"])


def _aware(text: str) -> None:
    if datetime.fromisoformat(text).utcoffset() is None:
        raise ValueError(f"{text} has no time zone")


def note_generation(home: Home, generation: int) -> None:
    """Record the live generation, after a publication or rollback outside a run."""
    _note(home, {"generation": generation, "held": None})


def note_alerts(con: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Record the open alerts, after an evaluation outside a run."""
    _note(home, {"alerts": open_alerts(con)})


def _note(home: Home, changed: dict[str, Any]) -> None:
    try:
        status = read_status(home)
    except (PublicationMissing, PublicationUnreadable):
        return  # no run has ended yet, or the next one replaces a damaged file
    write_whole(home.status_file, orjson.dumps({**status, **changed}, option=orjson.OPT_INDENT_2))


def snapshots_with_other_settings(status: dict[str, Any], settings: Settings) -> int:
    """Number of snapshots computed with other settings than the current ones."""
    by_settings: dict[str, int] = status.get("snapshots_by_settings", {})
    return sum(count for settings_hash, count in by_settings.items() if settings_hash != settings.numbers_hash)


def instant_text(instant: datetime | None) -> str | None:
    """Format a naive UTC instant for status.json."""
    return None if instant is None else instant.replace(tzinfo=UTC).isoformat(timespec="seconds")
