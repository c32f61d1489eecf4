"""Open interest per venue, reconciled with the total."""

from __future__ import annotations

from typing import Any

import polars as pl

from warehouse.api.backquant.convert import both, cents, interest, measured_sum, oi_columns
from warehouse.api.backquant.scope import Scope
from warehouse.api.backquant.symbols import VENUES

COLUMNS = ("call_oi", "put_oi", "call_oi_contracts", "put_oi_contracts")


def by_venue(scope: Scope, listed: pl.DataFrame) -> dict[str, dict[str, float | None]]:
    """All configured venues, 0 where one has nothing in scope. `listed`: rows of sql/api/backquant_oi_by_venue.sql."""
    sums = {row["scope_venue"]: row for row in listed.group_by("scope_venue").agg(measured_sum(name) for name in COLUMNS).rows(named=True)}
    names = (*VENUES[scope.market], *sorted(set(sums) - set(VENUES[scope.market])))
    return {venue: _block(sums.get(venue, dict.fromkeys(COLUMNS, 0.0)), scope) for venue in names}


def unattributed(scope: Scope, blocks: dict[str, dict[str, float | None]], call: Any, put: Any) -> dict[str, float | None] | None:
    """Total open interest that the venues' blocks do not account for; null when they reconcile."""
    left = {name: (value or 0) - sum(block[name] or 0 for block in blocks.values()) for name, value in (("call_oi", call), ("put_oi", put))}
    if all(abs(value) < 0.5e-3 for value in left.values()):  # blocks are rounded to 1e-4
        return None
    return {name: interest(value) for name, value in left.items()} | {
        "total_oi": interest(sum(left.values())),
        "notional_oi_usd": None if scope.market == "us" else cents(sum(left.values()) * (scope.spot or 0)),
    }


def _block(row: dict[str, Any], scope: Scope) -> dict[str, float | None]:
    call, put = (row[name] for name in oi_columns(scope.market))
    base = both(row["call_oi"], row["put_oi"])
    return {
        "call_oi": interest(call),
        "put_oi": interest(put),
        "total_oi": interest(both(call, put)),
        "notional_oi_usd": None if base is None or scope.spot is None else cents(base * scope.spot),
    }
