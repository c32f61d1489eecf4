"""DDL, comments and views, generated from the dataframely contracts.

A table with a `scope_venue` in its key is stored in schema `store` with one more column, `is_only_venue`; the view of its published name
returns the rows of a snapshot's only venue as scope `all` too, so the same numbers are stored once.

The tables of `MOVED` have a row per contract or strike, which is nearly all data. Their recent rows are native, in schema `store` too;
old ones are Parquet files (warehouse/storage/cold_partitions.py). The view `store.<table>_kept` shows both, and the view of the
published name reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dataframely as dy
import polars as pl

from models.contracts.registry import PUBLISHED, TABLES, VIEWS
from models.errors import WarehouseError

_SQL_TYPES: dict[type[pl.DataType], str] = {
    pl.String: "VARCHAR",
    pl.Float64: "DOUBLE",
    pl.Int64: "BIGINT",
    pl.Int32: "INTEGER",
    pl.Int8: "TINYINT",
    pl.Boolean: "BOOLEAN",
    pl.Date: "DATE",
    pl.Datetime: "TIMESTAMP",
}


MOVED = (
    "core.option_quotes", "core.option_greeks", "core.gamma_ladder", "core.implied_density", "core.oi_by_strike",
    "marts.gex_heatmap", "marts.gex_by_strike", "marts.pain_curve", "marts.gamma_profile",
)  # fmt: skip


def is_scoped(contract: type[dy.Schema]) -> bool:
    """Whether there is a row for each scope of venues."""
    return "scope_venue" in contract.primary_key()


def is_moved(name: str) -> bool:
    """Whether old rows of a published relation are moved to Parquet."""
    return name in MOVED


def stored_name(name: str) -> str:
    """The table into which native rows of a published relation are written."""
    return f"store.{name.split('.')[1]}" if is_scoped(TABLES[name]) or is_moved(name) else name


def union_view_name(name: str) -> str:
    """The view over all stored rows of a published relation, native ones and those in Parquet; without Parquet its table."""
    return f"{stored_name(name)}_kept" if is_moved(name) else stored_name(name)


def stored_columns(name: str) -> list[str]:
    """Columns of a published relation's stored rows."""
    return TABLES[name].column_names() + (["is_only_venue"] if is_scoped(TABLES[name]) else [])


def as_stored(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of a published relation with the columns and types of its stored rows; raises `WarehouseError` for a forbidden null."""
    columns = TABLES[name].columns()
    gaps = [column for column, one in columns.items() if not one.nullable and frame[column].null_count()]
    if gaps:
        raise WarehouseError(f"{name}: {', '.join(gaps)} may not be null and is, in a computed row. Report this; nothing was loaded of it.")
    dtypes = {column: one.dtype for column, one in columns.items()} | ({"is_only_venue": pl.Boolean()} if is_scoped(TABLES[name]) else {})
    if frame.schema == dtypes:
        return frame
    return frame.select(pl.col(column) if frame.schema[column] == dtype else pl.col(column).cast(dtype) for column, dtype in dtypes.items())


def create_union_view(name: str, files: Mapping[str, Sequence[str]]) -> str:
    """`CREATE VIEW` over the native rows of a relation and those in Parquet; `files`: path → its columns.

    A column added after a file was written is null for its rows, as in native rows of that time.
    """
    columns = stored_columns(name)
    # qualified, because a bare name inside a table macro would be taken for the macro's argument
    parts = [f"select {', '.join(f'native.{column}' for column in columns)} from {stored_name(name)} as native"]
    alike: dict[tuple[str, ...], list[str]] = {}
    for path, present in sorted(files.items()):
        alike.setdefault(tuple(present), []).append(path)
    for present, paths in alike.items():
        chosen = ", ".join(f"moved.{column}" if column in present else f"null as {column}" for column in columns)
        parts.append(f"select {chosen} from read_parquet([{', '.join(map(literal, paths))}]) as moved")
    return f"create or replace view {union_view_name(name)} as {' union all '.join(parts)}"


def sql_type(column: dy.Column) -> str:
    """DuckDB type of a contract's column."""
    dtype = column.dtype
    if isinstance(dtype, pl.Decimal):
        return f"DECIMAL({dtype.precision}, {dtype.scale})"
    return _SQL_TYPES[dtype.base_type()]


def create_table(name: str) -> str:
    """`CREATE TABLE IF NOT EXISTS` of a published relation's stored rows."""
    columns = {
        column: f"{column} {sql_type(definition)}{'' if definition.nullable else ' NOT NULL'}"
        for column, definition in TABLES[name].columns().items()
    }
    if is_scoped(TABLES[name]):
        columns["is_only_venue"] = "is_only_venue BOOLEAN NOT NULL"
    return f"create table if not exists {stored_name(name)} ({', '.join(columns.values())})"


def create_view(name: str) -> str | None:
    """`CREATE VIEW` of a scoped or moved relation under its published name; None for the others."""
    if not is_scoped(TABLES[name]) and not is_moved(name):
        return None
    # qualified, because a bare name inside a table macro would be taken for the macro's argument
    columns = [f"kept.{column}" for column in TABLES[name].column_names()]
    stored = f"{union_view_name(name)} as kept"
    if not is_scoped(TABLES[name]):
        return f"create or replace view {name} as select {', '.join(columns)} from {stored}"
    as_all = ["'all' as scope_venue" if column == "kept.scope_venue" else column for column in columns]
    return (
        f"create or replace view {name} as select {', '.join(columns)} from {stored} union all "
        f"select {', '.join(as_all)} from {stored} where kept.is_only_venue"
    )


def create_history_view(name: str, sql: str) -> str:
    """`CREATE VIEW` of a relation over several snapshots, with the columns of its contract if it has one."""
    if name not in VIEWS:
        return f"create or replace view {name} as {sql}"
    columns = ", ".join(f"rows_of.{column}::{sql_type(one)} as {column}" for column, one in VIEWS[name].columns().items())
    return f"create or replace view {name} as select {columns} from ({sql}) as rows_of"


def comments(name: str) -> list[str]:
    """`COMMENT ON` statements of a published relation and its columns."""
    contract = PUBLISHED[name]
    kind = "view" if name in VIEWS or is_scoped(contract) or is_moved(name) else "table"
    lines = [f"comment on {kind} {name} is {literal(summary(contract))}"]
    return lines + column_comments(name, contract.columns())


def column_comments(relation: str, columns: Mapping[str, dy.Column]) -> list[str]:
    """`COMMENT ON COLUMN` statements: the contract's description of each column, and its unit."""
    lines = []
    for column, definition in columns.items():
        unit = (definition.metadata or {}).get("unit")
        text = (definition.description or "") + (f" [{unit}]" if unit else "")
        lines.append(f"comment on column {relation}.{column} is {literal(text)}")
    return lines


def summary(contract: type[dy.Schema]) -> str:
    """A contract's docstring on one line."""
    return " ".join((contract.__doc__ or "").split())


def headline(sql: str) -> str:
    """The description in the first comment line of a relation's file."""
    return sql.splitlines()[0].removeprefix("-- ").split(": ", 1)[-1]


def literal(text: str) -> str:
    """A text as an SQL literal, where DuckDB binds no parameters: ATTACH, COMMENT ON, CREATE VIEW. Everywhere else values are bound."""
    return "'" + text.replace("'", "''") + "'"
