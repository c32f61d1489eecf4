"""Old rows in Parquet: whole months of an underlying leave the work file for files that never change; views show both.

    <data_path>/<table>/<underlying>-<month>-<hash>.parquet   rows by key, zstd; the hash is of the file's bytes

`main.parquet_files` lists the files that the work file stands on, in the transaction that deletes the native rows. A file that is not
listed is left over by a kill or of an earlier state; `unused_files` finds it. Changing a snapshot makes its month native again.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl

from models.errors import WarehouseError
from models.tables import TABLES
from warehouse import ddl
from warehouse.ddl import literal
from warehouse.home import disk_errors, sync_folder
from warehouse.transactions import mark_unpublished, transaction

ROW_GROUP_ROWS = 50_000  # a snapshot of SPX has some 25 000: so a query for one reads little of a month


@dataclass(frozen=True, order=True)
class Month:
    """What is moved at once: all snapshots of an underlying in a month, of every table of `ddl.MOVED`."""

    underlying: str
    month: str  # YYYYMM, UTC

    @classmethod
    def of(cls, snapshot_id: str) -> Month:
        """The month of a snapshot."""
        underlying, captured_at = snapshot_id.rsplit("-", 1)
        return cls(underlying, captured_at[:6])

    @property
    def rows(self) -> str:
        """SQL condition for its rows."""
        first = f"{self.underlying}-{self.month}"
        return f"snapshot_id >= {literal(first)} and snapshot_id < {literal(first + '~')}"

    @property
    def ended_before(self) -> date:
        """First day of the next month."""
        return (date(int(self.month[:4]), int(self.month[4:]), 28) + timedelta(days=4)).replace(day=1)


def is_elsewhere(con: duckdb.DuckDBPyConnection, folder: Path) -> bool:
    """Whether files are expected in another folder than before: the home was moved, or `storage.data_path` changed.

    Raises `WarehouseError` when they are not there.
    """
    con.execute("create table if not exists main.parquet_folder (path varchar)")
    con.execute(
        """
        create table if not exists main.parquet_files (
            relation varchar, underlying varchar, month varchar, path varchar, columns varchar[], rows bigint, bytes bigint, sha256 varchar
        )
        """
    )
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
    """Note where the files are; views that are made afterwards name them there."""
    con.execute("delete from main.parquet_folder")
    con.execute(f"insert into main.parquet_folder values ({literal(str(folder))})")


def files_of(con: duckdb.DuckDBPyConnection, name: str) -> dict[str, list[str]]:
    """Absolute path → columns, of the files that hold old rows of a published relation."""
    return dict(
        con.execute(f"select {_ABSOLUTE}, columns from main.parquet_files where relation = {literal(name)} order by path").fetchall()
    )


def all_files(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Absolute paths of all files that a work file or a publication stands on; none in a publication of an earlier version."""
    if not con.execute("select 1 from duckdb_tables() where schema_name = 'main' and table_name = 'parquet_files'").fetchall():
        return []
    return [row[0] for row in con.execute(f"select {_ABSOLUTE} from main.parquet_files order by path").fetchall()]


def show_files(con: duckdb.DuckDBPyConnection) -> None:
    """Make the views show exactly the files that are listed."""
    for name in ddl.MOVED:
        con.execute(ddl.create_kept_view(name, files_of(con, name)))


_ABSOLUTE = "(select any_value(path) from main.parquet_folder) || '/' || path"


def due_months(con: duckdb.DuckDBPyConnection, before: date) -> list[Month]:
    """Months that ended before a day and have native rows, those included that came late."""
    ids = con.execute(" union ".join(f"select snapshot_id from {ddl.stored_name(name)}" for name in ddl.MOVED)).fetchall()
    return sorted(month for month in {Month.of(row[0]) for row in ids} if month.ended_before <= before)


def move(con: duckdb.DuckDBPyConnection, month: Month) -> int:
    """Move a month's native rows to Parquet, together with what is there already; returns the bytes of its files.

    Files first, each whole and durable; then one transaction. May be repeated after a kill at any point.
    """
    ((folder,),) = con.execute("select path from main.parquet_folder").fetchall()
    written = []
    for name in ddl.MOVED:
        rows, digest = _content(con, ddl.kept_name(name), name, month)
        if rows:
            path, sha256, size = _write(con, Path(folder), name, month)
            if _content(con, f"read_parquet({literal(str(Path(folder) / path))})", name, month) != (rows, digest):
                raise WarehouseError(
                    f"{Path(folder) / path}: it does not hold the rows that were written. Look at the disk; nothing was moved."
                )
            columns = ddl.stored_columns(name)
            written.append((name, month.underlying, month.month, path, columns, rows, size, sha256))
    with transaction(con):
        _forget(con, month)
        con.register("written", pl.DataFrame(written, schema=_FILES, orient="row"))
        con.execute("insert into main.parquet_files from written")
        con.unregister("written")
        for name in ddl.MOVED:
            con.execute(f"delete from {ddl.stored_name(name)} where {month.rows}")
        show_files(con)
        mark_unpublished(con)
    return sum(row[6] for row in written)


_FILES: list[tuple[str, pl.DataType]] = [
    ("relation", pl.String()), ("underlying", pl.String()), ("month", pl.String()), ("path", pl.String()), ("columns", pl.List(pl.String)),
    ("rows", pl.Int64()), ("bytes", pl.Int64()), ("sha256", pl.String()),
]  # fmt: skip


def bring_back(con: duckdb.DuckDBPyConnection, snapshot_ids: Collection[str]) -> None:
    """Make the months of these snapshots native again, in the caller's transaction; the files stay for generations that name them."""
    moved = {Month(*row) for row in con.execute("select distinct underlying, month from main.parquet_files").fetchall()}
    for month in sorted({Month.of(snapshot_id) for snapshot_id in snapshot_ids} & moved):
        mine = f"underlying = {literal(month.underlying)} and month = {literal(month.month)}"
        files = con.execute(f"select relation, {_ABSOLUTE}, columns from main.parquet_files where {mine} order by relation").fetchall()
        _forget(con, month)
        for name, path, columns in files:
            chosen = ", ".join(columns)
            con.execute(f"insert into {ddl.stored_name(name)} ({chosen}) select {chosen} from read_parquet({literal(path)})")
        show_files(con)


def unused_files(folder: Path, used: Collection[str]) -> Iterator[Path]:
    """Files below the folder that nothing stands on, by their paths in it; temporary ones too."""
    for path in sorted(folder.glob("*/*")):
        is_ours = path.parent.name in {name.split(".")[1] for name in ddl.MOVED} and path.suffix in {".parquet", ".tmp"}
        if is_ours and path.relative_to(folder).as_posix() not in used:
            yield path


def _forget(con: duckdb.DuckDBPyConnection, month: Month) -> None:
    con.execute(f"delete from main.parquet_files where underlying = {literal(month.underlying)} and month = {literal(month.month)}")


def _content(con: duckdb.DuckDBPyConnection, source: str, name: str, month: Month) -> tuple[int, int | None]:
    """Rows of a month and a hash of their values, whatever their order."""
    columns = ", ".join(ddl.stored_columns(name))
    ((rows, digest),) = con.execute(f"select count(*), sum(hash({columns})) from {source} where {month.rows}").fetchall()
    return rows, digest


def _write(con: duckdb.DuckDBPyConnection, folder: Path, name: str, month: Month) -> tuple[str, str, int]:
    """Write a month of one table; returns the path below the folder, SHA-256 and bytes."""
    table = name.split(".")[1]
    stem = f"{re.sub(r'[^A-Za-z0-9._^-]', '_', month.underlying)}-{month.month}"
    temporary = folder / table / f".{stem}.{os.getpid()}.tmp"
    columns, key = ", ".join(ddl.stored_columns(name)), ", ".join(TABLES[name].primary_key())
    with disk_errors(temporary):
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            con.execute(
                f"copy (select {columns} from {ddl.kept_name(name)} where {month.rows} order by {key}) to {literal(str(temporary))} "
                f"(format parquet, compression zstd, row_group_size {ROW_GROUP_ROWS}, use_tmp_file false)"
            )
            with temporary.open("rb+") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            target = temporary.with_name(f"{stem}-{sha256[:16]}.parquet")
            temporary.chmod(0o444)
            temporary.replace(target)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        sync_folder(target.parent)
        return f"{table}/{target.name}", sha256, target.stat().st_size
