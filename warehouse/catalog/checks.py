"""Checks of sql/checks: queries that return the offending rows.

Header lines of a check file:

    -- severity: required | advisory
    -- scope: snapshot-venue (returns snapshot_id and venue) | structure
    -- needs: snapshot (itself only) | history (other snapshots too)
    -- why: one sentence
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import orjson
import polars as pl

from models.contracts.ops import CheckResults
from models.errors import WarehouseError
from warehouse.catalog.relations import SQL_FOLDER

_HEADER = re.compile(r"^-- (severity|scope|needs|why): (.+)$", re.MULTILINE)
_ALLOWED = {
    "severity": {"required", "advisory"},
    "scope": {"snapshot-venue", "structure"},
    "needs": {"snapshot", "history"},
}


@dataclass(frozen=True)
class Check:
    """One query that returns offending rows."""

    name: str
    sql: str
    severity: str
    scope: str
    needs: str
    why: str


def check_from(path: Path) -> Check:
    """Read one check file; raises `WarehouseError` when its header is not complete."""
    sql = path.read_text()
    header = dict(_HEADER.findall(sql))
    for key, allowed in _ALLOWED.items():
        if header.get(key) not in allowed:
            raise WarehouseError(f"{path}: the header needs `-- {key}: ` and one of {', '.join(sorted(allowed))}.")
    if "why" not in header:
        raise WarehouseError(f"{path}: the header needs `-- why: `.")
    return Check(path.stem, sql, header["severity"], header["scope"], header["needs"], header["why"])


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check, by name."""
    return tuple(check_from(path) for path in sorted((SQL_FOLDER / "checks").glob("*.sql")))


def run_checks(con: duckdb.DuckDBPyConnection, *, scope: str, needs: str, snapshot_ids: Sequence[str] | None = None) -> pl.DataFrame:
    """Rows of `ops.check_results`: one per check, snapshot and venue that is not clean; empty when all is well.

    `snapshot_ids` narrows a check to these snapshots.
    """
    results: list[dict[str, object]] = []
    # one by one: of a list DuckDB makes no filter that skips what other snapshots stored
    narrowed = "" if snapshot_ids is None else f" where snapshot_id in ({', '.join('?' * len(snapshot_ids))})"
    for check in all_checks():
        if (check.scope, check.needs) != (scope, needs):
            continue
        offending = con.execute(f"select * from ({check.sql}){narrowed}", snapshot_ids).pl()
        if offending.is_empty():
            continue
        if scope == "structure":
            offending = offending.with_columns(snapshot_id=pl.lit(""), venue=pl.lit(""))
        for (snapshot, venue), rows in offending.group_by(["snapshot_id", "venue"], maintain_order=True):
            results.append(
                {
                    "snapshot_id": snapshot,
                    "venue": venue,
                    "check_name": check.name,
                    "severity": check.severity,
                    "scope": check.scope,
                    "rows": rows.height,
                    "example": orjson.dumps(rows.row(0, named=True), default=str).decode(),
                }
            )
    return check_results_of(results)


def check_results_of(results: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Rows of `ops.check_results`, by key."""
    schema = {name: column.dtype for name, column in CheckResults.columns().items()}
    return pl.DataFrame(results, schema=schema).sort("snapshot_id", "venue", "check_name")


def venues_to_set_aside(results: pl.DataFrame) -> dict[str, str]:
    """Venue → name of the required check that it fails, of results of one snapshot."""
    required = results.filter((pl.col("severity") == "required") & (pl.col("scope") == "snapshot-venue"))
    return {row["venue"]: row["check_name"] for row in required.reverse().iter_rows(named=True)}
