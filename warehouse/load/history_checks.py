"""Phase 2: checks that compare a snapshot with earlier ones, in order of captured_at, so that the order of loading does not matter."""

from __future__ import annotations

from collections.abc import Collection

import duckdb
import polars as pl

from warehouse.catalog.checks import all_checks, run_checks, venues_to_set_aside
from warehouse.catalog.relations import SQL_FOLDER
from warehouse.load import snapshot_rows
from warehouse.load.compute import compute_snapshot
from warehouse.settings import Settings
from warehouse.storage.work_file import read_calendar

FEW = 16  # up to this many snapshots are checked one by one; for more, the whole warehouse at once


def settle_history(con: duckdb.DuckDBPyConnection, fresh: Collection[str], settings: Settings) -> None:
    """Bring phase 2 up to date after snapshots were loaded: for them, and for later ones of their underlyings.

    A history check can set a venue aside, which changes the input of the checks of later snapshots: the earliest finding of each
    underlying is settled first, until there are no new ones.
    """
    if not fresh:
        return
    first: dict[str, str] = {}
    for snapshot_id in sorted(fresh, reverse=True):
        first[snapshot_id.rsplit("-", 1)[0]] = snapshot_id
    _readmit(con, first, fresh, settings)
    settled: dict[str, str] = {}
    while True:
        concerned = _from(con, first)
        ids = concerned if len(concerned) <= FEW else None
        check_results = run_checks(con, scope="snapshot-venue", needs="history", snapshot_ids=ids)
        check_results = check_results.filter(pl.col("snapshot_id").is_in(concerned) & ~pl.col("snapshot_id").is_in(list(settled.values())))
        underlying = pl.col("snapshot_id").str.replace(r"-[^-]*$", "").alias("underlying")
        required = check_results.filter(pl.col("severity") == "required").with_columns(underlying)
        if required.is_empty():
            break
        for (name,), rows in required.sort("snapshot_id").group_by(["underlying"], maintain_order=True):
            earliest = rows["snapshot_id"][0]
            failing = check_results.filter(pl.col("snapshot_id") == earliest)
            _recompute(con, earliest, settings, refused=venues_to_set_aside(failing), check_results=failing)
            first[str(name)] = earliest
            settled[str(name)] = earliest
    repeats = (SQL_FOLDER / "history" / "repeats.sql").read_text()
    for name in first:
        con.execute(repeats, {"underlying": name})


def _from(con: duckdb.DuckDBPyConnection, first: dict[str, str]) -> list[str]:
    """Snapshots of these underlyings from these on."""
    wanted = " or ".join(["(underlying = ? and snapshot_id >= ?)"] * len(first))
    ids = f"select distinct snapshot_id from core.snapshot_venues where {wanted} order by all"
    return [row[0] for row in con.execute(ids, [value for pair in first.items() for value in pair]).fetchall()]


def _readmit(con: duckdb.DuckDBPyConnection, first: dict[str, str], fresh: Collection[str], settings: Settings) -> None:
    """Recompute later snapshots with their refused venues, because the snapshot before them may have changed."""
    names = [check.name for check in all_checks() if check.needs == "history"]
    refused = con.execute(_REFUSED, {"checks": names}).fetchall()
    for snapshot_id in sorted({row[0] for row in refused} & set(_from(con, first)) - set(fresh)):
        _recompute(con, snapshot_id, settings, refused={}, check_results=None)


_REFUSED = "select distinct snapshot_id from core.snapshot_venues where error in (select unnest($checks)) order by all"


def _recompute(
    con: duckdb.DuckDBPyConnection, snapshot_id: str, settings: Settings, *, refused: dict[str, str], check_results: pl.DataFrame | None
) -> None:
    """Compute a stored snapshot again, with some venues set aside from the start."""
    venues, quotes = (snapshot_rows.rows_of(con, name, snapshot_id) for name in ("core.snapshot_venues", "core.option_quotes"))
    computed = compute_snapshot(
        snapshot_rows.reset_checks(venues),
        quotes,
        calendar=read_calendar(con),
        settings=settings,
        refused=refused,
        check_results=check_results,
    )
    snapshot_rows.remove(con, snapshot_id, but=snapshot_rows.REJECTED_ROWS)
    snapshot_rows.add(con, [computed], [])
