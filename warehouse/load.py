"""Load: one snapshot's venues into the work file, as one transaction that may be repeated.

Of several loads of one (snapshot_id, venue) the one received last wins; the same replies again change nothing. Phase 2, what depends
on other snapshots, runs in the same transaction, for the snapshot and those after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import polars as pl

from models.calendar import classify_expiries
from models.snapshot import FAILED, OK, REJECTED
from models.tables import TABLES
from warehouse import ddl
from warehouse.checks import all_checks, run_checks, venues_to_set_aside
from warehouse.compute import ComputedSnapshot, compute_snapshot
from warehouse.ddl import literal
from warehouse.relations import SQL_FOLDER
from warehouse.settings import Settings
from warehouse.work import insert, mark_unpublished, read_calendar


@dataclass(frozen=True)
class SnapshotLoad:
    """What one load did."""

    snapshot_id: str
    is_changed: bool
    venues: pl.DataFrame  # rows of core.snapshot_venues as they now are
    check_results: pl.DataFrame  # rows of ops.check_results for it


def load_snapshot(
    con: duckdb.DuckDBPyConnection,
    venues: pl.DataFrame,
    quotes: pl.DataFrame,
    rejected: pl.DataFrame,
    *,
    settings: Settings,
) -> SnapshotLoad:
    """Load one run's rows of `core.snapshot_venues`, `core.option_quotes` and `ops.rejected_rows` for one underlying."""
    snapshot_id = venues["snapshot_id"][0]
    stored = _rows(con, "core.snapshot_venues", snapshot_id)
    newer = _newer(venues, stored)
    if newer.is_empty():
        return SnapshotLoad(snapshot_id, False, stored, _rows(con, "ops.check_results", snapshot_id))
    is_taken = pl.col("venue").is_in(newer["venue"].to_list())
    venues, quotes, rejected = newer, quotes.filter(is_taken), rejected.filter(is_taken)
    if stored.height:
        venues = pl.concat([_reset_checks(stored.filter(~is_taken)), newer]).sort("venue")
        quotes = pl.concat([_rows(con, "core.option_quotes", snapshot_id).filter(~is_taken), quotes]).sort("venue", "instrument")
        rejected = pl.concat([_rows(con, "ops.rejected_rows", snapshot_id).filter(~is_taken), rejected])
    con.execute("begin")
    try:
        # phase 1 before anything is written: a failure in it leaves the warehouse as it was
        _write(con, snapshot_id, compute_snapshot(venues, quotes, settings=settings), rejected)
        _settle_history(con, snapshot_id, settings)
        mark_unpublished(con)
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    return SnapshotLoad(snapshot_id, True, _rows(con, "core.snapshot_venues", snapshot_id), _rows(con, "ops.check_results", snapshot_id))


def _newer(venues: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """The venue rows that replace what is stored: not a failure over something, not the same replies, not an older load."""
    before = stored.select("venue", stored_hash="content_hash", stored_at="received_at", is_stored=pl.lit(True))
    joined = venues.join(before, on="venue", how="left", maintain_order="left")
    is_new = pl.col("is_stored").is_null() | (
        (pl.col("status") != FAILED)
        & pl.col("content_hash").ne_missing(pl.col("stored_hash"))
        & (pl.col("stored_at").is_null() | (pl.col("received_at") >= pl.col("stored_at")))
    )
    return joined.filter(is_new).select(venues.columns)


def _reset_checks(venues: pl.DataFrame) -> pl.DataFrame:
    """Venues that a check had set aside are tried again when their snapshot is computed again."""
    by_check = (pl.col("status") == REJECTED) & pl.col("error").is_in([check.name for check in all_checks()])
    return venues.with_columns(
        pl.when(by_check).then(pl.lit(OK)).otherwise("status").alias("status"),
        pl.when(by_check).then(None).otherwise("error").alias("error"),
    )


def _write(con: duckdb.DuckDBPyConnection, snapshot_id: str, computed: ComputedSnapshot, rejected: pl.DataFrame | None) -> None:
    """Replace a snapshot's rows in every table; `rejected` None leaves ops.rejected_rows alone."""
    frames = dict(computed.tables) | {"ops.check_results": computed.check_results}
    if rejected is not None:
        frames["ops.rejected_rows"] = rejected
    is_stored = bool(con.execute(f"select 1 from core.snapshot_venues where snapshot_id = {literal(snapshot_id)} limit 1").fetchall())
    for name, contract in TABLES.items():
        if "snapshot_id" in contract.column_names() and (name != "ops.rejected_rows" or rejected is not None):
            if is_stored:
                con.execute(f"delete from {ddl.stored_name(name)} where snapshot_id = {literal(snapshot_id)}")
            if name in frames:
                insert(con, name, frames[name])
    _add_to_calendar(con, computed)


def _add_to_calendar(con: duckdb.DuckDBPyConnection, computed: ComputedSnapshot) -> None:
    """Type the settlement instants that the calendar does not know yet."""
    if computed.tables["core.snapshots"].is_empty():
        return
    market = computed.tables["core.snapshots"]["market"][0]
    instants = computed.tables["core.option_quotes"].select("expires_at").unique().with_columns(market=pl.lit(market))
    known = con.execute(f"select market, expires_at from core.calendar where market = {literal(market)}").pl()
    unknown = instants.join(known, on=["market", "expires_at"], how="anti")
    if unknown.height:
        insert(con, "core.calendar", classify_expiries(unknown.select("market", "expires_at"), read_calendar(con)))


def _settle_history(con: duckdb.DuckDBPyConnection, snapshot_id: str, settings: Settings) -> None:
    """Phase 2 for a snapshot and those of its underlying after it, in order of captured_at."""
    underlying = snapshot_id.rsplit("-", 1)[0]
    instant = snapshot_id.rsplit("-", 1)[1]
    later = con.execute(
        f"""
        select distinct snapshot_id
        from core.snapshot_venues
        where underlying = {literal(underlying)} and split_part(snapshot_id, '-', -1) >= {literal(instant)}
        order by all
        """
    ).fetchall()
    for (one,) in later:
        _apply_history_checks(con, one, settings, is_fresh=one == snapshot_id)
    con.execute((SQL_FOLDER / "history" / "repeats.sql").read_text().replace("$underlying", literal(underlying)))


def _apply_history_checks(con: duckdb.DuckDBPyConnection, snapshot_id: str, settings: Settings, *, is_fresh: bool) -> None:
    """Set aside the venues of one snapshot that fail a check over history, or take back those that no longer do."""
    names = ", ".join(literal(check.name) for check in all_checks() if check.needs == "history")
    was_refused = f"select 1 from core.snapshot_venues where snapshot_id = {literal(snapshot_id)} and error in ({names})"
    if not is_fresh and con.execute(was_refused).fetchall():
        _recompute(con, snapshot_id, settings, refused={}, found=None)
    found = run_checks(con, scope="snapshot-venue", needs="history", snapshot_id=snapshot_id)
    refused = venues_to_set_aside(found)
    if refused:
        _recompute(con, snapshot_id, settings, refused=refused, found=found)
    elif found.height:
        insert(con, "ops.check_results", found)


def _recompute(
    con: duckdb.DuckDBPyConnection, snapshot_id: str, settings: Settings, *, refused: dict[str, str], found: pl.DataFrame | None
) -> None:
    venues, quotes = (_rows(con, name, snapshot_id) for name in ("core.snapshot_venues", "core.option_quotes"))
    computed = compute_snapshot(_reset_checks(venues), quotes, settings=settings, refused=refused)
    _write(con, snapshot_id, computed, None)
    if found is not None:
        insert(con, "ops.check_results", found)


def _rows(con: duckdb.DuckDBPyConnection, name: str, snapshot_id: str) -> pl.DataFrame:
    contract = TABLES[name]
    columns = ", ".join(contract.column_names())
    order = ", ".join(contract.primary_key()) or "all"
    where = f"snapshot_id = {literal(snapshot_id)}"
    frame = con.execute(f"select {columns} from {ddl.stored_name(name)} where {where} order by {order}").pl()
    return frame.cast({name: column.dtype for name, column in contract.columns().items()})
