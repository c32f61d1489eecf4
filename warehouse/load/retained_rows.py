"""Rows of snapshots whose replies `maintain` has removed: a rebuild copies them, and compares them with their tombstones.

They come from the work file, or without one from the published file.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import duckdb
import polars as pl

from models.contracts.registry import TABLES
from warehouse.archive.tombstones import Hashes, tombstones
from warehouse.catalog import ddl
from warehouse.home.paths import Home
from warehouse.load.fingerprints import table_hashes
from warehouse.load.runs import loaded_runs
from warehouse.storage.transactions import transaction

# Rows parsed from replies; all other rows are computed from them, and can be recomputed with other settings or a later version.
_FROM_REPLIES = "core.option_quotes"


@dataclass(frozen=True)
class MigratedRows:
    """Rows that a rebuild retained because their replies were removed."""

    snapshots: int = 0
    problems: tuple[str, ...] = ()  # rows that are lost or differ from the verified hashes


def migrate_rows(con: duckdb.DuckDBPyConnection, home: Home) -> MigratedRows:
    """Copy rows whose replies were removed into a new work file, and compare them with their tombstones. Idempotent."""
    buried = tombstones(home)
    missing = buried.keys() - loaded_runs(con)
    source = home.work_file if home.work_file.exists() else home.published_file
    if missing and source.exists():
        con.execute(f"attach {ddl.literal(str(source))} as old (read_only)")
        try:
            with transaction(con):
                _copy(con, missing)
        finally:
            con.execute("detach old")
    verified = {
        (name, snapshot_id): (rows, digest) for tombstone in buried.values() for name, snapshot_id, rows, digest in tombstone["tables"]
    }
    snapshots = {snapshot_id for _, snapshot_id in verified}
    return MigratedRows(len(snapshots), tuple(_problems(con, verified, snapshots - _with_later_parts(con, buried))))


def _with_later_parts(con: duckdb.DuckDBPyConnection, buried: Collection[str]) -> set[str]:
    """Snapshots with data from runs later than their tombstones."""
    parts = con.execute("select distinct snapshot_id, run_id from core.snapshot_venues").fetchall()
    return {snapshot_id for snapshot_id, run_id in parts if run_id not in buried}


def _problems(con: duckdb.DuckDBPyConnection, verified: Hashes, snapshots: Collection[str]) -> list[str]:
    here = table_hashes(con, snapshots) if snapshots else {}
    lines = []
    for (name, snapshot_id), expected in sorted(verified.items()):
        if name == _FROM_REPLIES and snapshot_id in snapshots and here.get((name, snapshot_id)) != expected:
            state = "are lost" if (name, snapshot_id) not in here else "are not those that were verified when its replies were removed"
            lines.append(f"{name} {snapshot_id}: its rows {state}, and it cannot be rebuilt. Restore a backup of the home")
    return lines


def _copy(con: duckdb.DuckDBPyConnection, run_ids: Collection[str]) -> None:
    con.register("gone", pl.DataFrame({"run_id": sorted(run_ids)}, schema={"run_id": pl.String}))
    con.execute("create temp table taken as select distinct snapshot_id from old.core.snapshot_venues where run_id in (from gone)")
    for name, contract in TABLES.items():
        stored, union_view = ddl.stored_name(name), ddl.union_view_name(name)
        if "snapshot_id" in contract.column_names():
            rows = f"from old.{union_view} where snapshot_id in (from taken)"
        elif name in ("ops.runs", "ops.payloads"):
            rows = f"from old.{name} where run_id in (from gone)"
        elif name in ("core.calendar", "core.delivery_prices"):  # tables without snapshots: only missing rows
            rows = f"from old.{name} anti join {name} using ({', '.join(contract.primary_key())})"
        else:
            continue
        con.execute(f"insert into {stored} by name {rows} order by {', '.join(contract.primary_key()) or 'all'}")
    con.execute("drop table taken")
    con.unregister("gone")
