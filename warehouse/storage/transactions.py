"""Transactions of the work file, and its mark of unpublished changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Run a block in a transaction."""
    con.execute("begin")
    try:
        yield
    except BaseException:
        con.execute("rollback")
        raise
    con.execute("commit")


def mark_unpublished(con: duckdb.DuckDBPyConnection) -> None:
    """Mark the work file as changed since the last publication, in the transaction of the change."""
    con.execute("insert into main.unpublished select current_timestamp::timestamp where not exists (from main.unpublished)")


def is_unpublished(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the work file has unpublished changes."""
    return bool(con.execute("select 1 from main.unpublished").fetchall())
