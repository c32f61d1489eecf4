"""Rows of marts as they are stored, where they are what a macro would compute; planning a macro takes longer than an answer may.

Without filters a macro gives the mart of its scope. Of what belongs to one settlement instant alone the mart holds the same as a macro that
is asked for that instant (tests/warehouse/api/test_stored.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from models.tables import PUBLISHED
from warehouse.frames import Warehouse
from warehouse.macros import MACROS

OF_AN_INSTANT = frozenset({"max_pain", "pain_curve", "gex_heatmap", "gex_by_expiry", "pin_score"})


def stored(
    wh: Warehouse,
    macro: str,
    snapshot_id: str,
    *,
    scope_venue: str = "all",
    expires_at: datetime | None = None,
    columns: Sequence[str] = (),
) -> pl.DataFrame:
    """The rows of a macro's mart for one snapshot, by key: of all instants, or of one; `columns`: only these, which is faster."""
    mart = MACROS[macro][0]
    contract = PUBLISHED[mart]
    chosen = list(columns) or contract.column_names()
    conditions = ["snapshot_id = $snapshot_id", "scope_venue = $scope_venue"]
    given = {"snapshot_id": snapshot_id, "scope_venue": scope_venue}
    if expires_at is not None:
        conditions.append("expires_at = $expires_at::timestamp")
        given["expires_at"] = expires_at.isoformat()
    key = [name for name in contract.primary_key() if name not in ("snapshot_id", "scope_venue")]
    order = f" order by {', '.join(key)}" if key else ""
    frame = wh.sql(f"select {', '.join(chosen)} from {mart} where {' and '.join(conditions)}{order}", given)
    types = contract.columns()
    return frame.cast({name: types[name].dtype for name in chosen})
