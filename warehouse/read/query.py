"""Read access: the published file, opened read-only, without access to other files of the machine."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from models.errors import PublicationMissing, PublicationUnreadable, QueryFailed, UsageError
from warehouse.catalog.public_relations import contract_of
from warehouse.catalog.relations import SQL_FOLDER
from warehouse.home.paths import Home
from warehouse.storage.cold_partitions import all_files

# Connections of one process to one generation share a database, which must be closed only once.
_CLOSING = threading.Lock()
# Statements that write files: COPY can overwrite any file that may be read, even from a database opened read-only.
_WRITES = (duckdb.StatementType.COPY, duckdb.StatementType.EXPORT, duckdb.StatementType.PREPARE, duckdb.StatementType.EXECUTE)
_WRITING_WORDS = re.compile(r"\b(copy|export|prepare|execute)\b", re.IGNORECASE)


@contextmanager
def open_published(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published file for a block; see `connect_published`."""
    with connect_published(home) as con:
        yield con


def connect_published(home: Home) -> duckdb.DuckDBPyConnection:
    """Connect to the published file: read-only, external access off, configuration locked.

    Raises `PublicationMissing` or `PublicationUnreadable`. A connection sees the generation that was live when it was opened.
    """
    path = home.published_file
    if not path.exists():
        raise PublicationMissing(f"{path}: nothing is published yet. Run `strikehouse snapshot`, or `strikehouse demo` to try it.")
    try:
        # its real name: otherwise DuckDB would return an older generation that this process still has open
        con = duckdb.connect(str(_generation_file(path)), read_only=True)
        with _CLOSING:
            _close(con)
        return con
    except duckdb.Error as error:
        advice = "`strikehouse publish --rollback` goes back one generation, `strikehouse publish` makes a new one."
        raise PublicationUnreadable(f"{path} cannot be opened ({str(error).splitlines()[0]}). {advice}") from error


def _close(con: duckdb.DuckDBPyConnection) -> None:
    """Restrict access to exactly the file and the Parquet files that it names, and lock the configuration."""
    if con.execute("select current_setting('lock_configuration')").fetchall() == [(True,)]:
        return
    con.execute("set allowed_paths = $files", {"files": all_files(con)})
    con.execute("set enable_external_access = false")
    con.execute("set enable_progress_bar = false")  # `python -c` counts as interactive: progress bars would mix with results
    con.execute("set lock_configuration = true")


def _generation_file(path: Path) -> Path:
    """The generation file to which the live name links."""
    live = path.stat()
    for one in sorted((path.parent / "generations").glob("*.duckdb"), reverse=True):
        with suppress(FileNotFoundError):  # removed since it was listed: a publication ended meanwhile
            if os.path.samestat(one.stat(), live):
                return one
    return path


def query(home: Home, sql: str, parameters: dict[str, Any] | None = None) -> pl.DataFrame:
    """The result of one SQL statement on the published file; raises `QueryFailed` with DuckDB's own words."""
    with open_published(home) as con:
        return query_on(con, sql, parameters)


def query_on(con: duckdb.DuckDBPyConnection, sql: str, parameters: dict[str, Any] | None = None) -> pl.DataFrame:
    """The result of one SQL statement on an open publication."""
    try:
        _refuse_writing(con, sql)
        con.execute(sql, parameters or {})
        return con.pl() if con.description else pl.DataFrame()  # an empty statement has no result
    except duckdb.Error as error:
        raise QueryFailed(f"The query was refused. {error}") from error
    except pl.exceptions.PolarsError as error:
        raise QueryFailed(f"The result has a type that cannot be shown; cast it, for example to varchar. {error}") from error


def rows_on(con: duckdb.DuckDBPyConnection, sql: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The rows of an internal statement as dictionaries; for few rows faster than a frame. Raises `QueryFailed`."""
    try:
        con.execute(sql, parameters or {})
        names = [column[0] for column in con.description or ()]
        return [dict(zip(names, row, strict=True)) for row in con.fetchall()]
    except duckdb.Error as error:
        raise QueryFailed(f"The query was refused. {error}") from error


def _refuse_writing(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse statements that write. EXPLAIN ANALYZE runs its statement without naming its type, so keywords decide there."""
    for statement in con.extract_statements(sql):
        is_explained = statement.type == duckdb.StatementType.EXPLAIN and _WRITING_WORDS.search(statement.query)
        if statement.type in _WRITES or is_explained:
            raise QueryFailed("The query was refused. Statements that write files are not run here; `strikehouse sql --output` writes one.")


def report(home: Home, name: str, snapshot_ids: list[str]) -> pl.DataFrame:
    """The rows of a report of sql/reports for some snapshots."""
    with open_published(home) as con:
        return report_on(con, name, {"ids": snapshot_ids})


def report_on(con: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, Any]) -> pl.DataFrame:
    """The rows of a report of sql/reports, on an open publication."""
    return query_on(con, (SQL_FOLDER / "reports" / f"{name}.sql").read_text(), parameters)


def call_macro(home: Home, macro: str, arguments: dict[str, Any]) -> pl.DataFrame:
    """The rows of a table macro, for example `call_macro(home, "max_pain", {"underlying": "SPX", "expiry": "2026-08-21"})`."""
    with open_published(home) as con:
        return call_macro_on(con, macro, arguments)


def call_macro_on(con: duckdb.DuckDBPyConnection, macro: str, arguments: dict[str, Any], *, keep: Collection[str] = ()) -> pl.DataFrame:
    """The rows of a table macro on an open warehouse; arguments that are None are left out, except those in `keep`."""
    given = {name: value for name, value in arguments.items() if value is not None or name in keep}
    call = ", ".join(f"{name} := ${name}" for name in given)
    return query_on(con, f"from {macro}({call})", given)


def show_table(home: Home, table: str, *, underlying: str | None = None, limit: int | None = None) -> pl.DataFrame:
    """Rows of a published relation such as `core.snapshots` or `latest.max_pain`; raises `UsageError` for an unknown name."""
    contract = contract_of(table)
    conditions, parameters = [], {}
    if underlying is not None:
        if "underlying" not in contract.column_names():
            raise UsageError(f"{table} has no column underlying; leave the filter out.")
        conditions.append("underlying = upper($underlying)")
        parameters["underlying"] = underlying
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return query(home, f"from {table}{where}{'' if limit is None else f' limit {int(limit)}'}", parameters)
