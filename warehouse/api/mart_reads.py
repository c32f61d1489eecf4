"""Reads stored mart rows instead of a table macro when both give the same rows: planning a macro exceeds a request's time budget.

Without filters a macro returns the mart of its scope. For columns of a single settlement instant the mart stores the same values as the
macro filtered to that instant (tests/warehouse/api/test_mart_reads.py). A query reads one table and few columns: joins, and the views of
the published names, which are planned as two scans, cost more than the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import polars as pl

from models.contracts.registry import TABLES
from warehouse.catalog.ddl import is_scoped, union_view_name
from warehouse.catalog.macros import MACROS
from warehouse.client.warehouse import Warehouse

OF_AN_INSTANT = frozenset({"max_pain", "pain_curve", "gex_heatmap", "gex_by_expiry", "pin_score"})


def is_stored_for(macro: str, scope_venue: str) -> bool:
    """Whether the mart of a macro stores a scope: some marts cover all venues only."""
    return scope_venue == "all" or is_scoped(TABLES[_mart_of(macro)])


def stored(
    wh: Warehouse,
    name: str,
    snapshot_id: str,
    *columns: str,
    scope_venue: str = "all",
    expires_at: datetime | None = None,
    expiry: date | None = None,
) -> pl.DataFrame:
    """The rows of a macro's mart, or of another scoped table, for one snapshot, by key: for all instants, one instant, or a date.

    Columns: those named, or all; types as the contract says.
    """
    table = _mart_of(name)
    contract = TABLES[table].columns()
    chosen = list(columns) or TABLES[table].column_names()
    statement, given = _statement(table, snapshot_id, chosen, scope_venue, expires_at, expiry)
    frame = wh.sql(statement, given)
    return frame.cast({column: contract[column].dtype for column in chosen})


def stored_rows(
    wh: Warehouse,
    name: str,
    snapshot_id: str,
    columns: Sequence[str],
    *,
    expires_at: datetime | None = None,
    expiry: date | None = None,
) -> list[dict[str, Any]]:
    """The same over all venues as dictionaries, which is faster for few rows."""
    return wh.rows(*_statement(_mart_of(name), snapshot_id, columns, "all", expires_at, expiry))


def _mart_of(name: str) -> str:
    """The mart of a macro, or the table of that name."""
    return MACROS[name][0] if name in MACROS else name


def _statement(
    table: str, snapshot_id: str, columns: Sequence[str], scope_venue: str, expires_at: datetime | None, expiry: date | None
) -> tuple[str, dict[str, Any]]:
    of_all = scope_venue == "all" and is_scoped(TABLES[table])  # which a snapshot's only venue is too
    shown = ["'all' as scope_venue" if column == "scope_venue" and of_all else column for column in columns]
    conditions = ["snapshot_id = $snapshot_id", "(scope_venue = 'all' or is_only_venue)" if of_all else "scope_venue = $venue"]
    given: dict[str, Any] = {"snapshot_id": snapshot_id} | ({} if of_all else {"venue": scope_venue})
    for column, value in (("expires_at", expires_at), ("expiry", expiry)):
        if value is not None:
            conditions.append(f"{column} = ${column}")
            given[column] = value
    key = [column for column in TABLES[table].primary_key() if column not in ("snapshot_id", "scope_venue")]
    order = f" order by {', '.join(key)}" if key else ""
    return f"select {', '.join(shown)} from {union_view_name(table)} where {' and '.join(conditions)}{order}", given
