"""Hashes of tables, snapshot by snapshot: they verify that a rebuild gives the same rows, bit for bit."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import duckdb
import polars as pl

from models.contracts.registry import TABLES
from warehouse.catalog import ddl

# `received_at` and `run_id` belong to the rows: the manifests in raw/ carry them, so a rebuild gives the same ones.
_NOT_DERIVED = {"core.listing_rules", "core.parameters", "core.sessions", "core.sign_scenarios"}
HASHES = {"oi_hash", "quotes_hash", "content_hash"}  # of values, so they differ when a last bit does
SHOWN_ROWS = 20


def is_derived(name: str) -> bool:
    """Whether a table is derived from raw/, so that a rebuild must reproduce it."""
    return name.startswith(("core.", "marts.")) and name not in _NOT_DERIVED


def table_hashes(con: duckdb.DuckDBPyConnection, snapshots: Collection[str] | None = None) -> dict[tuple[str, str], tuple[int, str]]:
    """(table, snapshot_id or '') → rows and hash, of every `core` and `marts` table of the current database; or of some snapshots only."""
    if snapshots is not None:
        con.register("wanted", pl.DataFrame({"snapshot_id": sorted(snapshots)}, schema={"snapshot_id": pl.String}))
    hashes = {}
    for name, contract in TABLES.items():
        if not is_derived(name):
            continue
        columns = contract.column_names()
        if snapshots is not None and "snapshot_id" not in columns:
            continue
        partition = "snapshot_id" if "snapshot_id" in columns else "''"
        # casting to text keeps every bit of a double: DuckDB prints the shortest text that reads back as the same number
        text = ", ".join(f"coalesce({column}::varchar, '∅')" for column in columns)
        order = ", ".join(contract.primary_key())
        query = f"""
            select {partition}, count(*), md5(string_agg(md5(concat_ws('|', {text})), '' order by {order}))
            from {ddl.union_view_name(name)}
            {"" if snapshots is None else "where snapshot_id in (from wanted)"}
            group by all
            having count(*) > 0
        """
        for snapshot_id, rows, digest in con.execute(query).fetchall():
            hashes[name, snapshot_id] = (rows, digest)
    if snapshots is not None:
        con.unregister("wanted")
    return hashes


def differences(ours: dict[tuple[str, str], tuple[int, str]], theirs: dict[tuple[str, str], tuple[int, str]]) -> list[str]:
    """One line per table and snapshot that differs."""
    lines = []
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            name, snapshot_id = key
            here, there = (f"{side[key][0]} rows, {side[key][1][:12]}" if key in side else "no rows" for side in (ours, theirs))
            lines.append(f"{name} {snapshot_id or '(whole table)'}: warehouse {here}; rebuilt {there}")
    return lines


def value_differences(con: duckdb.DuckDBPyConnection, rebuilt: Path, tolerance: float) -> list[str]:
    """Rows that differ from those of a rebuilt work file by more than a relative tolerance; texts, instants and nulls must be equal.

    For machines with other processors, whose last bits can differ. One line per table and row, at most `SHOWN_ROWS` a table.
    """
    con.execute(f"attach {ddl.literal(str(rebuilt))} as rebuilt (read_only)")
    try:
        return [line for name in TABLES if is_derived(name) for line in _rows_apart(con, name, tolerance)]
    finally:
        con.execute("detach rebuilt")


def _rows_apart(con: duckdb.DuckDBPyConnection, name: str, tolerance: float) -> list[str]:
    contract = TABLES[name]
    key, stored = contract.primary_key(), ddl.union_view_name(name)
    apart = []
    for column, definition in contract.columns().items():
        if column in key:
            continue
        ours, theirs = f"ours.{column}", f"theirs.{column}"
        if definition.dtype.is_numeric():
            far = f"abs({ours}::double - {theirs}::double) > {tolerance} * greatest(abs({ours}::double), abs({theirs}::double))"
            apart.append(f"({ours} is null) <> ({theirs} is null) or coalesce({far}, false)")
        elif column not in HASHES:
            apart.append(f"{ours} is distinct from {theirs}")
    joined = " and ".join(f"ours.{column} is not distinct from theirs.{column}" for column in key)
    shown = ", ".join(f"coalesce(ours.{column}, theirs.{column})::varchar" for column in key)
    missing = f"ours.{key[0]} is null or theirs.{key[0]} is null"
    rows = con.execute(
        f"""
        select concat_ws(' ', {shown})
        from {stored} as ours
        full join rebuilt.{stored} as theirs on {joined}
        where {" or ".join(f"({one})" for one in [missing, *apart])}
        order by all
        """
    ).fetchall()
    more = [f"{name}: {len(rows) - SHOWN_ROWS} more rows"] if len(rows) > SHOWN_ROWS else []
    return [f"{name}: {row[0]}" for row in rows[:SHOWN_ROWS]] + more
