"""Transactions of the work file, and the mark, made in them, that readers do not see a change yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All or nothing."""
    con.execute("begin")
    try:
        yield
    except BaseException:
        con.execute("rollback")
        raise
    con.execute("commit")


def mark_unpublished(con: duckdb.DuckDBPyConnection) -> None:
    """Note, in the transaction that changes something, that readers do not see it yet."""
    con.execute("insert into main.unpublished select current_timestamp::timestamp where not exists (from main.unpublished)")


def is_unpublished(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the work file holds changes that readers do not see."""
    return bool(con.execute("select 1 from main.unpublished").fetchall())
