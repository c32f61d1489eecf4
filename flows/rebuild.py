"""Rebuild: every core and mart table again, from raw/ alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb

from flows.load import Replies, load_underlying, read_chain, record_run, replies_for
from flows.sources.registry import source
from models.calendar import TradingCalendar
from warehouse.archive import read_folder, read_runs
from warehouse.home import Home
from warehouse.settings import Settings
from warehouse.work import read_calendar


def rebuild_runs(con: duckdb.DuckDBPyConnection, home: Home, settings: Settings) -> Iterator[str]:
    """Load every archived run into the (new) work file, in order; yields each run_id. Raises `ArchiveDamaged`."""
    calendar = read_calendar(con)
    for manifest in read_runs(home):
        load_archived_run(con, home, settings, manifest, calendar)
        yield manifest["run_id"]


def load_archived_run(
    con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, manifest: dict[str, Any], calendar: TradingCalendar
) -> None:
    """Load one run from its archived replies."""
    fetched = {
        (one["venue"], one["book"]): Replies(read_folder(home, one["folder"]) if one["folder"] and not one["error"] else [], one["error"])
        for one in manifest["fetched"]
    }
    record_run(con, home, manifest)
    for underlying in dict.fromkeys(ask["underlying"] for ask in manifest["asks"]):
        readings = [
            read_chain(source(ask["venue"], settings), underlying, replies_for(ask, fetched), calendar)
            for ask in manifest["asks"]
            if ask["underlying"] == underlying
        ]
        load_underlying(
            con, underlying, readings, run_id=manifest["run_id"], origin=manifest["origin"], calendar=calendar, settings=settings
        )
