"""Tables by hand under the views of outcomes and calibration, which are created from their files as in a warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import polars as pl

from models.contracts.registry import PUBLISHED, TABLES
from warehouse.catalog.ddl import create_history_view, sql_type
from warehouse.catalog.relations import all_views, functions_sql


@contextmanager
def views_over(tables: dict[str, Sequence[dict[str, Any]]], *views: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with these rows, other columns null, and these views over them."""
    with duckdb.connect(config={"threads": 2}) as con:
        con.execute("create schema core; create schema marts")
        con.execute(functions_sql())
        for name, rows in tables.items():
            columns = {column: sql_type(one) for column, one in (TABLES.get(name) or PUBLISHED[name]).columns().items()}
            con.execute(f"create table {name} ({', '.join(f'{column} {kind}' for column, kind in columns.items())})")
            if rows:
                frame = pl.DataFrame(rows, infer_schema_length=None)  # read by name below
                con.register("given", frame)
                con.execute(f"insert into {name} ({', '.join(frame.columns)}) select * from given")
                con.unregister("given")
        for relation in all_views():
            if relation.name in views:
                con.execute(create_history_view(relation.name, relation.sql))
        yield con
