"""Tables written out for other tools: Parquet in hive folders by session and underlying, CSV, or an Arrow stream.

One partition (a session of an underlying) is read and written at a time, in the order of the table's key, so that memory stays small and
the same rows give the same file. All of it comes from one generation.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from models.errors import QueryFailed, UsageError
from models.tables import PUBLISHED
from warehouse.home import Home, disk_errors
from warehouse.query import open_published

Format = Literal["parquet", "csv", "arrow"]
BATCH_ROWS = 100_000
PARTITION_FILE = "data.parquet"
SESSION, UNDERLYING = "session_date", "underlying"


@dataclass(frozen=True)
class Exported:
    """What was written."""

    rows: int
    files: int
    output: Path | None  # None: standard output

    @property
    def is_stdout(self) -> bool:
        """Whether the rows went to standard output."""
        return self.output is None


@dataclass(frozen=True)
class _Query:
    """A relation with its session and underlying."""

    name: str
    relation: str  # FROM clause with `source` as its alias
    has_session: bool
    has_underlying: bool
    key: tuple[str, ...]  # what orders its rows

    def select(self, hidden: Sequence[str]) -> str:
        """SELECT of all columns but the hidden ones."""
        excluded = f"exclude ({', '.join(hidden)}) " if hidden else ""
        return f"select * {excluded}{self.relation}"


def export_table(
    home: Home,
    table: str,
    format: Format,
    output: Path | None,
    *,
    underlyings: Sequence[str] = (),
    sessions: tuple[date | None, date | None] = (None, None),
) -> Exported:
    """Write the rows of a published relation (`marts.max_pain`, `latest.gex_levels`, `core.option_quotes` …) of some sessions.

    Parquet goes to a folder, `session_date=…/underlying=…/data.parquet`, where these two are known; a partition that is exported again is
    replaced, others stay. CSV and Arrow go to a file or, without `output` or with `-`, to standard output. A relation of snapshots that
    has no session or underlying of its own takes those of its snapshot. Raises `UsageError` for an unknown table, or a range where there
    is none to choose by, or no rows in it.
    """
    query = _query(table)
    is_stdout = output is None or str(output) == "-"
    if format == "parquet" and is_stdout:
        raise UsageError("Parquet goes to a folder: name one with --output, or take --format arrow.")
    if (underlyings and not query.has_underlying) or (any(sessions) and not query.has_session):
        raise UsageError(f"{table} has no session or underlying: leave the range out.")
    with open_published(home) as con:
        partitions = _partitions(con, query, [name.upper() for name in underlyings], sessions)
        if not partitions:
            raise UsageError(f"{table} has no rows in this range.")
        if format == "parquet":
            assert output is not None
            rows = sum(_write_partition(con, query, one, output) for one in partitions)
            return Exported(rows, len(partitions), output)
        with _target(None if is_stdout else output) as sink:
            rows = _write_stream(con, query, partitions, format, sink)
        return Exported(rows, 1, None if is_stdout else output)


def _query(table: str) -> _Query:
    contract = PUBLISHED.get(table.replace("latest.", "marts."), PUBLISHED["core.snapshots"] if table == "latest.snapshots" else None)
    if contract is None:
        known = [*PUBLISHED, *(name.replace("marts.", "latest.") for name in PUBLISHED if name.startswith("marts.")), "latest.snapshots"]
        raise UsageError(f"No table is called {table!r}. Known: {', '.join(known)}.")
    columns = contract.column_names()
    key = tuple(contract.primary_key() or columns)
    own = {SESSION: SESSION in columns, UNDERLYING: UNDERLYING in columns}
    if "snapshot_id" not in columns or all(own.values()):
        return _Query(table, f"from {table} as source", own[SESSION], own[UNDERLYING], key)
    missing = ", ".join(f"snapshots.{name}" for name, has in own.items() if not has)
    relation = f"from (select source.*, {missing} from {table} as source inner join core.snapshots as snapshots using (snapshot_id)) as source"
    return _Query(table, relation, True, True, key)


def _partitions(
    con: duckdb.DuckDBPyConnection, query: _Query, underlyings: Sequence[str], sessions: tuple[date | None, date | None]
) -> list[dict[str, Any]]:
    """Session and underlying of each partition that has rows, in order."""
    keys = [one for one, has in ((SESSION, query.has_session), (UNDERLYING, query.has_underlying)) if has]
    conditions = ["true"] if not underlyings else [f"list_contains($underlyings, {UNDERLYING})"]
    conditions += [f"{SESSION} {sign} ${name}" for sign, name, day in ((">=", "first", sessions[0]), ("<=", "last", sessions[1])) if day]
    given = {"underlyings": list(underlyings), "first": sessions[0], "last": sessions[1]}
    if not keys:
        return [{}] if _ask(con, f"select 1 {query.relation} limit 1", {}).fetchone() else []
    names = ", ".join(keys)
    statement = f"select distinct {names} {query.relation} where {' and '.join(conditions)} order by {names}"
    rows = _ask(con, statement, {name: value for name, value in given.items() if value}).fetchall()
    return [dict(zip(keys, row, strict=True)) for row in rows]


def _batches(con: duckdb.DuckDBPyConnection, query: _Query, partition: dict[str, Any], hidden: Sequence[str] = ()) -> pa.RecordBatchReader:
    """Rows of one partition in the order of the key, without the columns that the names of its folders hold."""
    conditions = " and ".join(f"{name} is not distinct from ${name}" for name in partition) or "true"
    order = ", ".join(f"source.{name}" for name in query.key)
    return _ask(con, f"{query.select(hidden)} where {conditions} order by {order}", partition).to_arrow_reader(BATCH_ROWS)


def _ask(con: duckdb.DuckDBPyConnection, statement: str, parameters: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    try:
        return con.execute(statement, parameters)
    except duckdb.Error as error:
        raise QueryFailed(f"The query was refused. {error}") from error


def _write_partition(con: duckdb.DuckDBPyConnection, query: _Query, partition: dict[str, Any], output: Path) -> int:
    folder = output.joinpath(*(f"{name}={'__HIVE_DEFAULT_PARTITION__' if value is None else value}" for name, value in partition.items()))
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    rows = 0
    reader = _batches(con, query, partition, list(partition))
    with _target(folder / PARTITION_FILE) as sink, pa.parquet.ParquetWriter(sink, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _write_stream(con: duckdb.DuckDBPyConnection, query: _Query, partitions: list[dict[str, Any]], format: Format, sink: IO[bytes]) -> int:
    rows, writer = 0, None
    try:
        for partition in partitions:
            reader = _batches(con, query, partition)
            if writer is None:
                writer = pa.csv.CSVWriter(sink, reader.schema) if format == "csv" else pa.ipc.new_stream(sink, reader.schema)
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows
    finally:
        if writer is not None:
            writer.close()
    return rows


@contextmanager
def _target(path: Path | None) -> Iterator[IO[bytes]]:
    """A file that is there whole or not at all, or standard output."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path):
        try:
            with temporary.open("wb") as file:
                yield file
            temporary.replace(path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
