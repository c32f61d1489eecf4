"""Runs recorded in the work file: `ops.runs` and `ops.payloads`, derived from the manifests in raw/."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import dataframely as dy
import duckdb
import orjson
import polars as pl

from models.contracts.ops import Payloads, Runs
from warehouse.archive.replies import folder_manifest
from warehouse.home.paths import Home
from warehouse.load.snapshot_rows import remove
from warehouse.storage.transactions import transaction
from warehouse.storage.work_file import insert


def loaded_runs(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Runs that are completely loaded."""
    return {row[0] for row in con.execute("select run_id from ops.runs").fetchall()}


def import_failures(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Completely loaded imports with their failures: run → venue and file → error."""
    return {run_id: orjson.loads(failures) for run_id, failures in con.execute(_IMPORTS).fetchall()}


_IMPORTS = "select run_id, failures from ops.runs where origin = 'import'"


def venues_of_runs(con: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> pl.DataFrame:
    """Rows of `core.snapshot_venues` from these runs, in order of time."""
    return con.execute(_VENUES, {"runs": list(run_ids)}).pl()


_VENUES = """
    select * from core.snapshot_venues where run_id in (select unnest($runs::varchar[])) order by captured_at, snapshot_id, venue
"""


def record_run(con: duckdb.DuckDBPyConnection, home: Home, manifest: Mapping[str, Any], failures: Mapping[str, str] | None = None) -> None:
    """Record that a run is completely loaded; idempotent. `failures`: errors that only reading the archive showed."""
    record_runs(con, home, [(manifest, failures or {})])


def record_runs(con: duckdb.DuckDBPyConnection, home: Home, ended: Sequence[tuple[Mapping[str, Any], Mapping[str, str]]]) -> None:
    """Record several runs with their failures, in one statement per table."""
    if not ended:
        return
    rows: dict[str, tuple[type[dy.Schema], list[dict[str, Any]]]] = {
        "ops.runs": (Runs, [_run_row(manifest, failures) for manifest, failures in ended]),
        "ops.payloads": (Payloads, [row for manifest, _ in ended for row in _payload_rows(home, manifest)]),
    }
    ids = [manifest["run_id"] for manifest, _ in ended]
    for name, (contract, records) in rows.items():
        con.execute(f"delete from {name} where run_id in (select unnest($runs))", {"runs": ids})
        insert(con, name, pl.DataFrame(records, schema={column: one.dtype for column, one in contract.columns().items()}))


def _run_row(manifest: Mapping[str, Any], failures: Mapping[str, str]) -> dict[str, Any]:
    failed = {f"{one['venue']}/{one['book']}": one["error"] for one in manifest["fetched"] if one["error"]} | dict(failures)
    return {
        "run_id": manifest["run_id"],
        "started_at": _naive(manifest["started_at"]),
        "ended_at": _naive(manifest["ended_at"]),
        "origin": manifest["origin"],
        "code_version": manifest["code_version"],
        "settings_hash": manifest["settings_hash"],
        "asked": orjson.dumps(manifest["asks"]).decode(),
        "failures": orjson.dumps(failed).decode(),
    }


def _payload_rows(home: Home, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "folder": one["folder"],
            "run_id": manifest["run_id"],
            "venue": one["venue"],
            "book": one["book"],
            "received_at": _naive(reply["received_at"]),
            **{key: reply[key] for key in ("file", "name", "url", "status", "bytes", "sha256")},
        }
        for one in manifest["fetched"]
        if one["folder"]
        for reply in folder_manifest(home, one["folder"])["replies"]
    ]


def forget_sessions(con: duckdb.DuckDBPyConnection, first: date | None, last: date | None, *, but: Collection[str] = ()) -> None:
    """Remove the snapshots of some session dates and the records of their runs, so that they are loaded again.

    `but`: runs whose replies were removed; their snapshots stay.
    """
    rows = con.execute(_IN_SESSIONS, {"first": first, "last": last}).fetchall()
    _forget(con, rows, but)


_IN_SESSIONS = """
    select distinct snapshot_id, run_id from core.snapshot_venues
    where ($first::date is null or session_date >= $first::date) and ($last::date is null or session_date <= $last::date)
"""


def forget_runs(con: duckdb.DuckDBPyConnection, run_ids: Collection[str]) -> None:
    """Remove the snapshots with data from these runs, and the records of all runs of these snapshots."""
    forgotten = {"runs": sorted(run_ids)}
    _forget(con, con.execute(_TOUCHED, forgotten).fetchall(), ())
    con.execute("delete from ops.runs where run_id in (select unnest($runs::varchar[]))", forgotten)


_TOUCHED = """
    select distinct snapshot_id, run_id from core.snapshot_venues
    where snapshot_id in (select snapshot_id from core.snapshot_venues where run_id in (select unnest($runs::varchar[])))
"""


def _forget(con: duckdb.DuckDBPyConnection, rows: Sequence[tuple[str, str]], but: Collection[str]) -> None:
    """Remove these snapshots and the records of these runs; `rows`: snapshot_id, run_id."""
    stay = {snapshot_id for snapshot_id, run_id in rows if run_id in but}
    rows = [row for row in rows if row[0] not in stay]
    with transaction(con):
        for snapshot_id in sorted({row[0] for row in rows}):
            remove(con, snapshot_id)
        for run_id in sorted({row[1] for row in rows}):
            con.execute("delete from ops.runs where run_id = $run", {"run": run_id})


def _naive(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)
