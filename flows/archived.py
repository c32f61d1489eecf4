"""Runs that are in the archive already: loaded from there, for a rebuild, or because an earlier run could not finish."""

from __future__ import annotations

from typing import Any

import duckdb

from flows.load import Replies, load_underlying, read_chain, record_run, replies_for
from flows.sources.registry import source
from models.calendar import TradingCalendar
from warehouse.archive import read_folder, read_run, run_ids
from warehouse.home import Home
from warehouse.settings import Settings


def load_pending_runs(con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, *, but: str, calendar: TradingCalendar) -> list[str]:
    """Load runs that were archived and never loaded, all but one; returns their ids."""
    loaded = {row[0] for row in con.execute("select run_id from ops.runs").fetchall()}
    pending = [run_id for run_id in run_ids(home) if run_id not in loaded and run_id != but]
    for run_id in pending:
        load_archived_run(con, home, settings, read_run(home, run_id), calendar)
    return pending


def load_archived_run(
    con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, manifest: dict[str, Any], calendar: TradingCalendar
) -> None:
    """Load one run from its archived replies; raises `ArchiveDamaged`."""
    fetched = {
        (one["venue"], one["book"]): Replies(read_folder(home, one["folder"]) if one["folder"] and not one["error"] else [], one["error"])
        for one in manifest["fetched"]
    }
    for underlying in dict.fromkeys(ask["underlying"] for ask in manifest["asks"]):
        readings = [
            read_chain(source(ask["venue"], settings), underlying, replies_for(ask, fetched), calendar)
            for ask in manifest["asks"]
            if ask["underlying"] == underlying
        ]
        load_underlying(
            con, underlying, readings, run_id=manifest["run_id"], origin=manifest["origin"], calendar=calendar, settings=settings
        )
    record_run(con, home, manifest)  # last: a run that is not recorded is loaded again
