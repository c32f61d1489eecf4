"""Queries that no table macro covers: the files sql/api/backquant_<name>.sql."""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl

from warehouse.catalog.relations import SQL_FOLDER
from warehouse.client.warehouse import Warehouse


@cache
def text_of(name: str) -> str:
    """The SQL text of a query."""
    return (SQL_FOLDER / "api" / f"backquant_{name}.sql").read_text()


def ask(wh: Warehouse, name: str, **parameters: Any) -> pl.DataFrame:
    """Run a query; columns are those of its file."""
    return wh.sql(text_of(name), parameters)
