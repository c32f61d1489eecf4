"""Runs that are in the archive already: loaded from there, for a rebuild, or because an earlier run could not finish.

A run is read in units: of a live run the underlyings, of an import its files or parts of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class UnitReadings:
    """What one unit of an archived run holds."""

    snapshots: Sequence[tuple[str, Sequence[VenueReading]]]  # underlying, and what its venues gave
    failure: tuple[str, str] | None = None  # the file of an import that cannot be read, and why; the others go on


def pending_runs(con: duckdb.DuckDBPyConnection, home: Home, *, but: str = "") -> list[str]:
    """Runs that are archived and not loaded, all but one, in the order in which they started."""
    loaded = loaded_runs(con)
    return [run_id for run_id in run_ids(home) if run_id not in loaded and run_id != but]


def load_pending_runs(con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, *, but: str, calendar: TradingCalendar) -> None:
    """Load what earlier runs archived and could not load; raises `ArchiveDamaged`."""
    for run_id in pending_runs(con, home, but=but):
        manifest = read_run(home, run_id)
        failures: dict[str, str] = {}
        for unit in units_of(manifest):
            read = read_unit(home, settings, manifest, unit, calendar)
            failures |= dict([read.failure] if read.failure else [])
            for underlying, readings in read.snapshots:
                load_underlying(con, underlying, readings, run_id=run_id, origin=manifest["origin"], calendar=calendar, settings=settings)
        record_run(con, home, manifest, failures)  # last: a run that is not recorded is loaded again


def units_of(manifest: Mapping[str, Any]) -> list[str]:
    """The units of a run, in its order; each can be read alone."""
    if manifest.get("origin") == "import":
        return [f"{place}/{part}" for place, file in enumerate(manifest["files"]) for part in range(file["parts"])]
    return list(dict.fromkeys(ask["underlying"] for ask in manifest["asks"]))


def read_unit(home: Home, settings: Settings, manifest: Mapping[str, Any], unit: str, calendar: TradingCalendar) -> UnitReadings:
    """One unit of an archived run, parsed from its archived replies; raises `ArchiveDamaged`."""
    if manifest.get("origin") != "import":
        return UnitReadings([(unit, archived_readings(home, settings, manifest, unit, calendar))])
    from flows.imports.load import read_archived_file

    place, part = map(int, unit.split("/"))
    readings, failure = read_archived_file(home, manifest, place, part, calendar)
    return UnitReadings(readings, failure)


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
