"""Questions that no table macro answers: the files sql/api/backquant_<name>.sql."""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl

from warehouse.catalog.relations import SQL_FOLDER
from warehouse.client.warehouse import Warehouse


@cache
def text_of(name: str) -> str:
    """The SQL of a question."""
    return (SQL_FOLDER / "api" / f"backquant_{name}.sql").read_text()


def ask(wh: Warehouse, name: str, **parameters: Any) -> pl.DataFrame:
    """The rows of a question; columns as its file says."""
    return wh.sql(text_of(name), parameters)
