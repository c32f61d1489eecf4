"""Compaction: DuckDB does not return the space of deleted rows; a file with much free space is rewritten."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import duckdb

from models.errors import WarehouseError
from warehouse.catalog.ddl import literal
from warehouse.home.files import rename_durably
from warehouse.home.paths import Home
from warehouse.settings import Settings
from warehouse.storage import cold_partitions
from warehouse.storage.transactions import mark_unpublished, transaction
from warehouse.storage.work_file import connect_work

WORTH_BYTES = 1 << 20


def free_pct(con: duckdb.DuckDBPyConnection) -> float:
    """Share of free space in the work file, after a checkpoint; percent. 0 if too little to be worth a rewrite."""
    con.checkpoint()
    ((block, total, free),) = con.execute(
        "select block_size, total_blocks, free_blocks from pragma_database_size() where database_name = current_database()"
    ).fetchall()
    return 100.0 * float(free) / float(total) if free * block >= WORTH_BYTES else 0.0


def compact(home: Home, settings: Settings) -> int:
    """Rewrite the work file in the same order of rows, and replace the old one; returns the bytes freed.

    The work file must be closed. The old one stays until the new one is complete, durable and has the same rows in every table.
    """
    compact_file, before = home.root / "work.compact.duckdb", home.work_file.stat().st_size
    remove_database(compact_file)
    with connect_work(home, settings, home.work_file) as con:
        mark_unpublished(con)
        con.checkpoint()  # its WAL must not be taken for that of the new file
    with connect_work(home, settings, compact_file) as con:
        con.execute(f"attach {literal(str(home.work_file))} as old (read_only)")
        with transaction(con):
            for table in _tables(con, "old"):
                if _content(con, table) == _content(con, f"old.{table}"):
                    continue  # calendars, which every work file has from the start: deleting them would leave free space again
                con.execute(f"delete from {table}")
                con.execute(f"insert into {table} by name from old.{table}")
            cold_partitions.show_files(con)
        lost = [table for table in _tables(con, "old") if _count(con, table) != _count(con, f"old.{table}")]
        if lost:
            raise WarehouseError(f"{compact_file}: {', '.join(lost)} lost rows on the way; the work file stays as it is. Look at the disk.")
        con.execute("detach old")
        con.checkpoint()
    rename_durably(compact_file, home.work_file)
    return before - home.work_file.stat().st_size


def remove_database(file: Path) -> int:
    """Remove a database that is not in use, with its log; returns the bytes."""
    size = 0
    for one in (file, file.with_name(file.name + ".wal")):
        with suppress(FileNotFoundError):
            size += one.stat().st_size
            one.unlink()
    return size


def _tables(con: duckdb.DuckDBPyConnection, database: str) -> list[str]:
    names = "select schema_name || '.' || table_name from duckdb_tables() where database_name = $database order by all"
    return [row[0] for row in con.execute(names, {"database": database}).fetchall()]


def _content(con: duckdb.DuckDBPyConnection, table: str) -> tuple[int, int | None]:
    ((rows, digest),) = con.execute(f"select count(*), sum(hash(one)) from {table} as one").fetchall()
    return rows, digest


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(con.execute(f"select count(*) from {table}").fetchall()[0][0])
