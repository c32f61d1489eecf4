"""Rows of whole snapshots in the work file: read, replaced, added."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import polars as pl

from models.contracts.registry import TABLES
from models.snapshot import OK, REJECTED
from warehouse.catalog import ddl
from warehouse.catalog.checks import all_checks
from warehouse.catalog.ddl import is_moved
from warehouse.load.compute import Computed
from warehouse.storage import cold_partitions
from warehouse.storage.work_file import insert

REJECTED_ROWS = "ops.rejected_rows"
CALENDAR = "core.calendar"


def rows_of(con: duckdb.DuckDBPyConnection, name: str, snapshot_id: str) -> pl.DataFrame:
    """A snapshot's rows of a published relation, by key."""
    contract = TABLES[name]
    columns = ", ".join(contract.column_names())
    order = ", ".join(contract.primary_key()) or "all"
    rows = f"select {columns} from {ddl.union_view_name(name)} where snapshot_id = $snapshot order by {order}"
    frame = con.execute(rows, {"snapshot": snapshot_id}).pl()
    return frame.cast({name: column.dtype for name, column in contract.columns().items()})


def is_stored(con: duckdb.DuckDBPyConnection, snapshot_id: str) -> bool:
    """Whether any venue of the snapshot is in the work file."""
    stored = "select 1 from core.snapshot_venues where snapshot_id = $snapshot limit 1"
    return bool(con.execute(stored, {"snapshot": snapshot_id}).fetchall())


def has_snapshots(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether any snapshot can be published."""
    return bool(con.execute("select 1 from core.snapshots limit 1").fetchall())


def stored_snapshots(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Every snapshot that has a venue in the work file."""
    return [row[0] for row in con.execute("select distinct snapshot_id from core.snapshot_venues order by all").fetchall()]


def remove(con: duckdb.DuckDBPyConnection, snapshot_id: str, *, but: str = "") -> None:
    """Delete a snapshot's rows from every table but one; its month is rehydrated first."""
    cold_partitions.rehydrate(con, [snapshot_id])
    for name, contract in TABLES.items():
        if "snapshot_id" in contract.column_names() and name != but:
            con.execute(f"delete from {ddl.stored_name(name)} where snapshot_id = $snapshot", {"snapshot": snapshot_id})


def add(con: duckdb.DuckDBPyConnection, groups: Sequence[Computed], rejected: Sequence[pl.DataFrame]) -> None:
    """Append groups of snapshots to every table: large tables group by group, the others in one statement."""
    frames: dict[str, list[pl.DataFrame]] = {REJECTED_ROWS: list(rejected)}
    for computed in groups:
        for name, frame in {**computed.tables, "ops.check_results": computed.check_results}.items():
            frames.setdefault(name, []).append(frame)
    calendar = frames.pop(CALENDAR, [])  # all snapshots share it
    for name in list(frames):
        parts = [frame for frame in frames.pop(name) if frame.height]
        for part in parts if is_moved(name) or not parts else [pl.concat(parts)]:
            insert(con, name, part)
    if calendar:
        _add_to_calendar(con, pl.concat(calendar).unique(["market", "expires_at"], keep="first", maintain_order=True))


def reset_checks(venues: pl.DataFrame) -> pl.DataFrame:
    """Reset venues that a check set aside, so that they are tried again when their snapshot is recomputed."""
    by_check = (pl.col("status") == REJECTED) & pl.col("error").is_in([check.name for check in all_checks()])
    return venues.with_columns(
        pl.when(by_check).then(pl.lit(OK)).otherwise("status").alias("status"),
        pl.when(by_check).then(None).otherwise("error").alias("error"),
    )


def _add_to_calendar(con: duckdb.DuckDBPyConnection, seen: pl.DataFrame) -> None:
    """Add settlement instants missing from the calendar: those of dates without a session, or at unusual hours."""
    con.register("seen", seen)
    unknown = con.execute(f"select * from seen anti join {CALENDAR} using (market, expires_at) order by market, expires_at").pl()
    con.unregister("seen")
    if unknown.height:
        insert(con, CALENDAR, unknown)
