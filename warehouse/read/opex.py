"""The OPEX calendar of a home, also without data: scheduled expiries need no chain (definitions §8)."""

from __future__ import annotations

from typing import Any

import polars as pl

from warehouse.home.paths import Home
from warehouse.read.query import call_macro, call_macro_on
from warehouse.settings import Settings


def opex_calendar(home: Home, settings: Settings, arguments: dict[str, Any]) -> pl.DataFrame:
    """Rows of the macro `opex_calendar`; raises `PublicationMissing` when nothing is published and there is no `until`."""
    if arguments.get("until") is None or home.published_file.exists():
        return call_macro(home, "opex_calendar", arguments)
    from warehouse.storage.work_file import warehouse_in_memory  # loads the exchange's calendar: only if no file contains it

    with warehouse_in_memory(settings) as con:
        return call_macro_on(con, "opex_calendar", arguments)
