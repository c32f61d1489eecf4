"""Runs that are in the archive already: loaded from there, for a rebuild, or because an earlier run could not finish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb

from flows.load import Replies, load_underlying, read_chain, replies_for
from flows.sources.registry import source
from models.calendar import TradingCalendar
from models.snapshot import VenueReading
from warehouse.archive import read_folder, read_run, run_ids
from warehouse.home import Home
from warehouse.runs import loaded_runs, record_run
from warehouse.settings import Settings


def pending_runs(con: duckdb.DuckDBPyConnection, home: Home, *, but: str = "") -> list[str]:
    """Runs that are archived and not loaded, all but one, in the order in which they started."""
    loaded = loaded_runs(con)
    return [run_id for run_id in run_ids(home) if run_id not in loaded and run_id != but]


def load_pending_runs(con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, *, but: str, calendar: TradingCalendar) -> None:
    """Load what earlier runs archived and could not load; raises `ArchiveDamaged`."""
    for run_id in pending_runs(con, home, but=but):
        manifest = read_run(home, run_id)
        for underlying in underlyings_of(manifest):
            readings = archived_readings(home, settings, manifest, underlying, calendar)
            load_underlying(con, underlying, readings, run_id=run_id, origin=manifest["origin"], calendar=calendar, settings=settings)
        record_run(con, home, manifest)  # last: a run that is not recorded is loaded again


def underlyings_of(manifest: Mapping[str, Any]) -> list[str]:
    """Underlyings that a run asked, each once, in its order."""
    return list(dict.fromkeys(ask["underlying"] for ask in manifest["asks"]))


def archived_readings(
    home: Home, settings: Settings, manifest: Mapping[str, Any], underlying: str, calendar: TradingCalendar
) -> list[VenueReading]:
    """One underlying of an archived run, parsed from its archived replies; raises `ArchiveDamaged`."""
    asks = [ask for ask in manifest["asks"] if ask["underlying"] == underlying]
    needed = {(ask["venue"], book) for ask in asks for book in ask["books"]}
    replies = {
        (one["venue"], one["book"]): Replies(read_folder(home, one["folder"]) if one["folder"] and not one["error"] else [], one["error"])
        for one in manifest["fetched"]
        if (one["venue"], one["book"]) in needed
    }
    return [read_chain(source(ask["venue"], settings), underlying, replies_for(ask, replies), calendar) for ask in asks]
