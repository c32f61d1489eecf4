"""Hashes of tables, snapshot by snapshot: how a rebuild proves that it gave the same rows, bit for bit."""

from __future__ import annotations

import duckdb

from models.tables import TABLES
from warehouse import ddl

# `received_at` and `run_id` belong to the rows: the manifests in raw/ carry them, so a rebuild gives the same ones.
_NOT_DERIVED = {"core.parameters", "core.sessions", "core.sign_scenarios"}


def table_hashes(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], tuple[int, str]]:
    """(table, snapshot_id or '') → rows and hash, of every `core` and `marts` table of the current database."""
    hashes = {}
    for name, contract in TABLES.items():
        if not name.startswith(("core.", "marts.")) or name in _NOT_DERIVED:
            continue
        columns = contract.column_names()
        partition = "snapshot_id" if "snapshot_id" in columns else "''"
        # casting to text keeps every bit of a double: DuckDB prints the shortest text that reads back as the same number
        text = ", ".join(f"coalesce({column}::varchar, '∅')" for column in columns)
        order = ", ".join(contract.primary_key())
        query = f"""
            select {partition}, count(*), md5(string_agg(md5(concat_ws('|', {text})), '' order by {order}))
            from {ddl.stored_name(name)}
            group by all
        """
        for snapshot_id, rows, digest in con.execute(query).fetchall():
            hashes[name, snapshot_id] = (rows, digest)
    return hashes


def differences(ours: dict[tuple[str, str], tuple[int, str]], theirs: dict[tuple[str, str], tuple[int, str]]) -> list[str]:
    """One line per table and snapshot that is not the same in both."""
    lines = []
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            name, snapshot_id = key
            here, there = (f"{side[key][0]} rows, {side[key][1][:12]}" if key in side else "no rows" for side in (ours, theirs))
            lines.append(f"{name} {snapshot_id or '(whole table)'}: warehouse {here}; rebuilt {there}")
    return lines
