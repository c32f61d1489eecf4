"""Loads snapshots into the work file; each load is one idempotent transaction.

Of several loads of one (snapshot_id, venue) the one received last wins; loading the same replies again changes nothing. Phase 2, which
depends on other snapshots, runs in the same transaction.
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
    """The result of one load."""

    snapshot_id: str
    is_changed: bool
    venues: pl.DataFrame  # rows of core.snapshot_venues after the load
    check_results: pl.DataFrame  # rows of ops.check_results for it


@dataclass(frozen=True)
class VenueRows:
    """Rows that one run read of one underlying: those of core.snapshot_venues, core.option_quotes and ops.rejected_rows."""

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
        # phase 1 runs before any write: a failure leaves the warehouse unchanged
        computed = compute_snapshot(merged.venues, merged.quotes, calendar=calendar, settings=settings)
        with transaction(con):
            replace(con, merged, computed)
            settle_history(con, [rows.snapshot_id], settings)
            mark_unpublished(con)
    tables = (snapshot_rows.rows_of(con, name, rows.snapshot_id) for name in ("core.snapshot_venues", "ops.check_results"))
    return SnapshotLoad(rows.snapshot_id, merged is not None, *tables)


def merge(con: duckdb.DuckDBPyConnection, rows: VenueRows) -> VenueRows | None:
    """The rows of the snapshot after this load: stored rows, replaced by newer ones; None when nothing is newer."""
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
    """Append snapshots that are not stored yet, in the groups in which they were computed; the caller runs phase 2."""
    snapshot_rows.add(con, groups, [one.rejected for one in rows])
    mark_unpublished(con)


def replace(con: duckdb.DuckDBPyConnection, rows: VenueRows, computed: Computed) -> None:
    """Replace one snapshot's rows in every table."""
    if snapshot_rows.is_stored(con, rows.snapshot_id):
        snapshot_rows.remove(con, rows.snapshot_id)
    snapshot_rows.add(con, [computed], [rows.rejected])


def _newer(venues: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """The venue rows that replace stored ones: later replies, or the same replies of an earlier run that is loaded later.

    A failure never replaces data. The load order of two runs with the same replies does not matter.
    """
    before = stored.select("venue", stored_hash="content_hash", stored_at="received_at", is_stored=pl.lit(True))
    joined = venues.join(before, on="venue", how="left", maintain_order="left")
    is_later = pl.col("stored_at").is_null() | (pl.col("received_at") >= pl.col("stored_at"))
    is_other = pl.col("content_hash").ne_missing(pl.col("stored_hash"))
    is_new = pl.col("is_stored").is_null() | ((pl.col("status") != FAILED) & (is_other == is_later))
    return joined.filter(is_new).select(venues.columns)
