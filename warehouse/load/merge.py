"""Load: snapshots into the work file, each load one transaction that may be repeated.

Of several loads of one (snapshot_id, venue) the one received last wins; the same replies again change nothing. Phase 2, what depends
on other snapshots, runs in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import polars as pl

from models.market.calendar import TradingCalendar
from models.snapshot import FAILED
from warehouse.load import snapshot_rows
from warehouse.load.compute import Computed, compute_snapshot
from warehouse.load.history_checks import settle_history
from warehouse.settings import Settings
from warehouse.storage.transactions import mark_unpublished, transaction


@dataclass(frozen=True)
class SnapshotLoad:
    """What one load did."""

    snapshot_id: str
    is_changed: bool
    venues: pl.DataFrame  # rows of core.snapshot_venues as they now are
    check_results: pl.DataFrame  # rows of ops.check_results for it


@dataclass(frozen=True)
class VenueRows:
    """What one run read of one underlying: rows of core.snapshot_venues, core.option_quotes and ops.rejected_rows."""

    venues: pl.DataFrame
    quotes: pl.DataFrame
    rejected: pl.DataFrame

    @property
    def snapshot_id(self) -> str:
        """The snapshot that the rows belong to."""
        snapshot_id: str = self.venues["snapshot_id"][0]
        return snapshot_id


def load_snapshot(con: duckdb.DuckDBPyConnection, rows: VenueRows, *, calendar: TradingCalendar, settings: Settings) -> SnapshotLoad:
    """Load one run's rows of one underlying, with phase 1 and phase 2, in one transaction."""
    merged = merge(con, rows)
    if merged is not None:
        # phase 1 before anything is written: a failure in it leaves the warehouse as it was
        computed = compute_snapshot(merged.venues, merged.quotes, calendar=calendar, settings=settings)
        with transaction(con):
            replace(con, merged, computed)
            settle_history(con, [rows.snapshot_id], settings)
            mark_unpublished(con)
    tables = (snapshot_rows.rows_of(con, name, rows.snapshot_id) for name in ("core.snapshot_venues", "ops.check_results"))
    return SnapshotLoad(rows.snapshot_id, merged is not None, *tables)


def merge(con: duckdb.DuckDBPyConnection, rows: VenueRows) -> VenueRows | None:
    """What the snapshot holds after this load: stored rows, and newer ones in their place; None when nothing is newer."""
    stored = snapshot_rows.rows_of(con, "core.snapshot_venues", rows.snapshot_id)
    newer = _newer(rows.venues, stored)
    if newer.is_empty():
        return None
    is_taken = pl.col("venue").is_in(newer["venue"].to_list())
    taken = VenueRows(newer, rows.quotes.filter(is_taken), rows.rejected.filter(is_taken))
    if stored.is_empty():
        return taken
    unchanged = {
        name: snapshot_rows.rows_of(con, name, rows.snapshot_id).filter(~is_taken) for name in ("core.option_quotes", "ops.rejected_rows")
    }
    return VenueRows(
        pl.concat([snapshot_rows.reset_checks(stored.filter(~is_taken)), taken.venues]).sort("venue"),
        pl.concat([unchanged["core.option_quotes"], taken.quotes]).sort("venue", "instrument"),
        pl.concat([unchanged["ops.rejected_rows"], taken.rejected]),
    )


def add_new(con: duckdb.DuckDBPyConnection, rows: Sequence[VenueRows], groups: Sequence[Computed]) -> None:
    """Append snapshots that are not stored yet, in the groups in which they were computed; phase 2 is the caller's."""
    snapshot_rows.add(con, groups, [one.rejected for one in rows])
    mark_unpublished(con)


def replace(con: duckdb.DuckDBPyConnection, rows: VenueRows, computed: Computed) -> None:
    """Replace one snapshot's rows in every table."""
    if snapshot_rows.is_stored(con, rows.snapshot_id):
        snapshot_rows.remove(con, rows.snapshot_id)
    snapshot_rows.add(con, [computed], [rows.rejected])


def _newer(venues: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """The venue rows that replace what is stored: other replies that came later, or the same ones of an earlier run that loads late.

    Never a failure over something. So it does not matter which of two runs with the same replies is loaded first.
    """
    before = stored.select("venue", stored_hash="content_hash", stored_at="received_at", is_stored=pl.lit(True))
    joined = venues.join(before, on="venue", how="left", maintain_order="left")
    is_later = pl.col("stored_at").is_null() | (pl.col("received_at") >= pl.col("stored_at"))
    is_other = pl.col("content_hash").ne_missing(pl.col("stored_hash"))
    is_new = pl.col("is_stored").is_null() | ((pl.col("status") != FAILED) & (is_other == is_later))
    return joined.filter(is_new).select(venues.columns)
