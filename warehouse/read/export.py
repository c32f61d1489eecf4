"""Exports tables for other tools: Parquet in hive folders by session and underlying, CSV, or an Arrow stream.

One partition (a session of an underlying) is read and written at a time, in the order of the table's key, so that memory stays small and
equal rows give equal files. All rows come from one generation.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from models.errors import QueryFailed, UsageError
from warehouse.catalog.public_relations import contract_of
from warehouse.home.files import disk_errors, whole_file
from warehouse.home.paths import Home
from warehouse.read.query import open_published

Format = Literal["parquet", "csv", "arrow"]
BATCH_ROWS = 100_000
PARTITION_FILE = "data.parquet"
SESSION, UNDERLYING = "session_date", "underlying"


@dataclass(frozen=True)
class Exported:
    """The result of an export."""

    rows: int
    files: int
    output: Path | None  # None: standard output

    @property
    def is_stdout(self) -> bool:
        """Whether the rows went to standard output."""
        return self.output is None


@dataclass(frozen=True)
class _Query:
    """The rows of a relation in a range, with its order and partition keys."""

    relation: str  # FROM clause with `source` as its alias
    key: tuple[str, ...]
    partitioned_by: tuple[str, ...]  # session and underlying, where both are known
    conditions: tuple[str, ...]
    parameters: dict[str, Any]

    def partitions(self, con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
        """Session and underlying of each partition that has rows, in order; a single one for other relations."""
        where = " and ".join(("true", *self.conditions))
        if not self.partitioned_by:
            return [{}] if _ask(con, f"select 1 {self.relation} where {where} limit 1", self.parameters).fetchone() else []
        names = ", ".join(self.partitioned_by)
        rows = _ask(con, f"select distinct {names} {self.relation} where {where} order by {names}", self.parameters).fetchall()
        return [dict(zip(self.partitioned_by, row, strict=True)) for row in rows]

    def batches(self, con: duckdb.DuckDBPyConnection, partition: dict[str, Any], hidden: Sequence[str] = ()) -> pa.RecordBatchReader:
        """Rows of one partition in the order of the key, without the hidden columns."""
        where = " and ".join(("true", *self.conditions, *(f"{name} is not distinct from $in_{name}" for name in partition)))
        excluded = f"exclude ({', '.join(hidden)}) " if hidden else ""
        order = ", ".join(f"source.{name}" for name in self.key)
        parameters = self.parameters | {f"in_{name}": value for name, value in partition.items()}
        return _ask(con, f"select * {excluded}{self.relation} where {where} order by {order}", parameters).to_arrow_reader(BATCH_ROWS)


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

    Parquet goes to a folder, `session_date=…/underlying=…/data.parquet`, if these two are known; a partition that is exported again is
    replaced, others stay. CSV and Arrow go to a file or, without `output` or with `-`, to standard output. A relation of snapshots that
    has no session or underlying of its own takes those of its snapshot. Raises `UsageError` for an unknown table, a range on a
    relation without sessions, or a range without rows.
    """
    query = _query(table, [name.upper() for name in underlyings], sessions)
    is_stdout = output is None or str(output) == "-"
    if format == "parquet" and is_stdout:
        raise UsageError("Parquet goes to a folder: name one with --output, or take --format arrow.")
    with open_published(home) as con:
        partitions = query.partitions(con)
        if not partitions:
            raise UsageError(f"{table} has no rows in this range.")
        if format == "parquet":
            assert output is not None
            rows = sum(_write_partition(con, query, one, output) for one in partitions)
            return Exported(rows, len(partitions), output)
        with _target(None if is_stdout else output) as sink:
            rows = _write_stream(con, query, partitions, format, sink)
        return Exported(rows, 1, None if is_stdout else output)


def _query(table: str, underlyings: list[str], sessions: tuple[date | None, date | None]) -> _Query:
    contract = contract_of(table)
    columns = contract.column_names()
    known_of = [name for name in (SESSION, UNDERLYING) if name in columns]
    relation = f"from {table} as source"
    if "snapshot_id" in columns and len(known_of) < 2:
        taken = ", ".join(f"snapshots.{name}" for name in (SESSION, UNDERLYING) if name not in columns)
        joined = f"{table} as source left join core.snapshots as snapshots using (snapshot_id)"
        relation, known_of = f"from (select source.*, {taken} from {joined}) as source", [SESSION, UNDERLYING]
    conditions, parameters = [], {}
    ranges: list[tuple[str, str, Any]] = [
        (UNDERLYING, f"list_contains($underlyings, {UNDERLYING})", underlyings), (SESSION, f"{SESSION} >= $first", sessions[0]),
        (SESSION, f"{SESSION} <= $last", sessions[1]),
    ]  # fmt: skip
    for (column, condition, value), name in zip(ranges, ("underlyings", "first", "last"), strict=True):
        if not value:
            continue
        if column not in known_of:
            raise UsageError(f"{table} has no {column}: leave that range out.")
        conditions.append(condition)
        parameters[name] = value
    partitioned_by = tuple(known_of) if len(known_of) == 2 else ()
    return _Query(relation, tuple(contract.primary_key() or columns), partitioned_by, tuple(conditions), parameters)


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
    reader = query.batches(con, partition, list(partition))
    with _target(folder / PARTITION_FILE) as sink, pa.parquet.ParquetWriter(sink, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _write_stream(con: duckdb.DuckDBPyConnection, query: _Query, partitions: list[dict[str, Any]], format: Format, sink: IO[bytes]) -> int:
    rows, writer = 0, None
    try:
        for partition in partitions:
            reader = query.batches(con, partition)
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
    """An output file, written atomically, or standard output."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with whole_file(path) as temporary, temporary.open("wb") as file:
        yield file
