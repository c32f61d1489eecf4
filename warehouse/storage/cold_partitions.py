"""Cold partitions: whole months of an underlying move from the work file to immutable Parquet files; views show both.

`main.parquet_files` lists the files of the work file, updated in the transaction that deletes the native rows. A file that is not listed
is left from a kill or an earlier state; `unused_files` lists these. Changing a snapshot rehydrates its month. A large load of old months
writes files directly (warehouse/storage/parquet_files.py), several per month; moving the month merges them into one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from models.contracts.registry import TABLES
from models.errors import WarehouseError
from warehouse.catalog import ddl
from warehouse.storage.parquet_files import ROW_GROUP_ROWS, ROWS_OF_MONTH, Month, MonthFile, write_file
from warehouse.storage.transactions import mark_unpublished, transaction


def ensure_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Create the list of Parquet files, and the note of their folder, unless they are there."""
    con.execute("create table if not exists main.parquet_folder (path varchar)")
    con.execute(
        """
        create table if not exists main.parquet_files (
            relation varchar, underlying varchar, month varchar, path varchar, columns varchar[], rows bigint, bytes bigint, sha256 varchar
        )
        """
    )


def parquet_moved(con: duckdb.DuckDBPyConnection, folder: Path) -> bool:
    """Whether the files are expected in another folder than before: the home was moved, or `storage.data_path` changed.

    Raises `WarehouseError` when they are not there.
    """
    noted = con.execute("from main.parquet_folder").fetchall()
    if noted == [(str(folder),)]:
        return False
    for (path,) in con.execute("select path from main.parquet_files order by all").fetchall():
        if not (folder / path).exists():
            raise WarehouseError(
                f"{folder / path}: old rows are kept there, and it is missing. Move the files of {noted[0][0]} to {folder}, or restore "
                "them from a backup; or move work.duckdb away and run `strikehouse rebuild`."
            )
    return True


def note_folder(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Record the folder of the files; views created afterwards use it."""
    con.execute("delete from main.parquet_folder")
    con.execute("insert into main.parquet_folder values ($folder)", {"folder": str(folder)})


def files_of(con: duckdb.DuckDBPyConnection, name: str) -> dict[str, list[str]]:
    """Absolute path → columns, of the files with old rows of a published relation."""
    files = f"select {_ABSOLUTE}, columns from main.parquet_files where relation = $name order by path"
    return dict(con.execute(files, {"name": name}).fetchall())


def all_files(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Absolute paths of all Parquet files of a work file or a publication; none in a publication of an earlier version."""
    if not con.execute("select 1 from duckdb_tables() where schema_name = 'main' and table_name = 'parquet_files'").fetchall():
        return []
    return [row[0] for row in con.execute(f"select {_ABSOLUTE} from main.parquet_files order by path").fetchall()]


def show_files(con: duckdb.DuckDBPyConnection) -> None:
    """Recreate the views over exactly the listed files."""
    for name in ddl.MOVED:
        con.execute(ddl.create_union_view(name, files_of(con, name)))


_ABSOLUTE = "(select any_value(path) from main.parquet_folder) || '/' || path"


def due_months(con: duckdb.DuckDBPyConnection, before: date) -> list[Month]:
    """Months that ended before a day and have native rows, also late ones, or several files of a table."""
    ids = con.execute(" union ".join(f"select snapshot_id from {ddl.stored_name(name)}" for name in ddl.MOVED)).fetchall()
    pieces = "select distinct underlying, month from main.parquet_files group by relation, underlying, month having count(*) > 1"
    due = {Month.of(row[0]) for row in ids} | {Month(*row) for row in con.execute(pieces).fetchall()}
    return sorted(month for month in due if month.ended_before <= before)


def move(con: duckdb.DuckDBPyConnection, month: Month) -> int:
    """Move a month's native rows to Parquet, merged with its existing files; returns the bytes of its files.

    Files first, each whole and durable; then one transaction. Can be repeated after a kill at any point.
    """
    ((folder,),) = con.execute("select path from main.parquet_folder").fetchall()
    written = []
    for name in ddl.MOVED:
        rows, digest = _content(con, ddl.union_view_name(name), name, month)
        if rows:
            file = _write(con, Path(folder), name, month, rows)
            path = Path(folder) / file.path
            if _content(con, "read_parquet($path)", name, month, path=str(path)) != (rows, digest):
                raise WarehouseError(f"{path}: it does not hold the rows that were written. Look at the disk; nothing was moved.")
            written.append(file)
    with transaction(con):
        _forget(con, month)
        _list(con, written)
        for name in ddl.MOVED:
            con.execute(f"delete from {ddl.stored_name(name)} where {ROWS_OF_MONTH}", month.bounds)
        show_files(con)
        mark_unpublished(con)
    return sum(file.bytes for file in written)


def add_files(con: duckdb.DuckDBPyConnection, files: Sequence[MonthFile]) -> None:
    """List files that a large load has written, in addition to existing ones, in the caller's transaction."""
    if files:
        _list(con, files)
        show_files(con)
        mark_unpublished(con)


def _list(con: duckdb.DuckDBPyConnection, files: Sequence[MonthFile]) -> None:
    con.register("written", pl.DataFrame(files, schema=_FILES, orient="row"))
    con.execute("insert into main.parquet_files from written")
    con.unregister("written")


_FILES: list[tuple[str, pl.DataType]] = [
    ("relation", pl.String()), ("underlying", pl.String()), ("month", pl.String()), ("path", pl.String()), ("columns", pl.List(pl.String)),
    ("rows", pl.Int64()), ("bytes", pl.Int64()), ("sha256", pl.String()),
]  # fmt: skip


def rehydrate(con: duckdb.DuckDBPyConnection, snapshot_ids: Collection[str]) -> None:
    """Make the months of these snapshots native again, in the caller's transaction; the files stay for generations that name them."""
    moved = {Month(*row) for row in con.execute("select distinct underlying, month from main.parquet_files").fetchall()}
    for month in sorted({Month.of(snapshot_id) for snapshot_id in snapshot_ids} & moved):
        files = con.execute(_FILES_OF_MONTH, vars(month)).fetchall()
        _forget(con, month)
        for name, path, columns in files:
            chosen = ", ".join(columns)
            con.execute(f"insert into {ddl.stored_name(name)} ({chosen}) select {chosen} from read_parquet($path)", {"path": path})
        show_files(con)


_FILES_OF_MONTH = f"""
    select relation, {_ABSOLUTE}, columns from main.parquet_files where underlying = $underlying and month = $month order by relation
"""


def unused_files(folder: Path, used: Collection[str]) -> Iterator[Path]:
    """Unreferenced files below the folder, by their paths in it; temporary ones too."""
    for path in sorted(folder.glob("*/*")):
        is_ours = path.parent.name in {name.split(".")[1] for name in ddl.MOVED} and path.suffix in {".parquet", ".tmp"}
        if is_ours and path.relative_to(folder).as_posix() not in used:
            yield path


def _forget(con: duckdb.DuckDBPyConnection, month: Month) -> None:
    con.execute("delete from main.parquet_files where underlying = $underlying and month = $month", vars(month))


def _content(con: duckdb.DuckDBPyConnection, source: str, name: str, month: Month, **parameters: str) -> tuple[int, int | None]:
    """Row count of a month and a hash of its values, independent of order; `parameters`: those of the source."""
    content = f"select count(*), sum(hash({', '.join(ddl.stored_columns(name))})) from {source} where {ROWS_OF_MONTH}"
    ((rows, digest),) = con.execute(content, month.bounds | parameters).fetchall()
    return rows, digest


def _write(con: duckdb.DuckDBPyConnection, folder: Path, name: str, month: Month, rows: int) -> MonthFile:
    columns, key = ", ".join(ddl.stored_columns(name)), ", ".join(TABLES[name].primary_key())
    select = f"select {columns} from {ddl.union_view_name(name)} where {ROWS_OF_MONTH} order by {key}"
    copy = f"copy ({select}) to $path (format parquet, compression zstd, row_group_size {ROW_GROUP_ROWS}, use_tmp_file false)"
    return write_file(folder, name, month, rows, lambda path: con.execute(copy, month.bounds | {"path": str(path)}))
