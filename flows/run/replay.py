"""Reads archived runs again: for a rebuild, or because an earlier run archived its replies and could not load them.

A run is read in units: of a live run the underlyings, of an import its files or parts of them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from flows.run.parse import Replies, load_underlying, read_chain, replies_for, settlement_rows
from flows.sources.registry import source
from models.chain import SETTLEMENTS_NONE
from models.errors import ArchiveDamaged, StrikehouseError
from models.market.calendar import TradingCalendar
from models.snapshot import VenueReading
from warehouse.archive.replies import read_folder
from warehouse.archive.runs import read_run, run_ids
from warehouse.archive.tombstones import tombstones
from warehouse.home.logs import logged
from warehouse.home.paths import Home
from warehouse.load.runs import loaded_runs, record_run
from warehouse.load.settlements import load_settlements
from warehouse.settings import Settings
from warehouse.storage.transactions import transaction

LOG = logging.getLogger("strikehouse.load")
NO_FAULT_OF_A_FILE = (
    StrikehouseError, OSError, MemoryError, duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException,
)  # fmt: skip


@dataclass(frozen=True)
class UnitReadings:
    """What one unit of an archived run holds."""

    snapshots: Sequence[tuple[str, Sequence[VenueReading]]]  # underlying, and what its venues gave
    file: str | None = None  # of an import
    error: str | None = None  # why the file cannot be read; the others go on
    settlements: pl.DataFrame = field(default_factory=lambda: SETTLEMENTS_NONE)  # that a file holds, beside those of its chains
    run_id: str = ""

    def failed(self, error: Exception) -> str:
        """What to note of a chain in a file that cannot be computed: one odd file must not keep every later run from loading.

        What a live run captured is never given up, and a disk or a memory that is full is no file's fault: then the error is raised.
        """
        if self.file is None or isinstance(error, NO_FAULT_OF_A_FILE):
            raise error
        why = f"a chain in it cannot be computed ({type(error).__name__}: {str(error).splitlines()[0][:100] if str(error) else ''})"
        with logged(run_id=self.run_id, step="load"):
            LOG.warning("%s: %s", self.file, why, extra={"shown": True})
        return why


def pending_runs(con: duckdb.DuckDBPyConnection, home: Home, *, but: str = "") -> list[str]:
    """Runs that are archived and not loaded, all but one, in the order in which they started; not those whose replies are gone."""
    loaded = loaded_runs(con) | tombstones(home).keys()
    return [run_id for run_id in run_ids(home) if run_id not in loaded and run_id != but]


def load_pending_runs(con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, *, but: str, calendar: TradingCalendar) -> list[str]:
    """Load what earlier runs archived and could not load; returns why some still cannot be, and leaves those for the next time."""
    damaged = []
    for run_id in pending_runs(con, home, but=but):
        try:
            _load_archived_run(con, home, settings, run_id, calendar)
        except ArchiveDamaged as error:  # of one run; what has just been captured must not wait for its repair
            damaged.append(f"Run {run_id} was archived and is still not loaded. {error}")
    return damaged


def _load_archived_run(con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, run_id: str, calendar: TradingCalendar) -> None:
    manifest = read_run(home, run_id)
    failures: dict[str, str] = {}
    for unit in units_of(manifest):
        read, error = read_unit(home, settings, manifest, unit, calendar), None
        with transaction(con):
            load_settlements(con, settlement_rows([read.settlements], run_id=run_id, origin=manifest["origin"]))
        for underlying, readings in read.snapshots:
            try:
                load_underlying(con, underlying, readings, run_id=run_id, origin=manifest["origin"], calendar=calendar, settings=settings)
            except Exception as failure:  # noqa: BLE001 - raised again for a live run
                error = read.failed(failure)
        if read.file and (error or read.error):
            failures[read.file] = error or read.error or ""
    record_run(con, home, manifest, failures)  # last: a run that is not recorded is loaded again


def units_of(manifest: Mapping[str, Any]) -> list[str]:
    """The units of a run, in its order; each can be read alone."""
    if manifest.get("origin") == "import":
        return [f"{file_index}/{part}" for file_index, file in enumerate(manifest["files"]) for part in range(file["parts"])]
    return list(dict.fromkeys(ask["underlying"] for ask in manifest["asks"]))


def bytes_of_unit(home: Home, manifest: Mapping[str, Any], unit: str) -> int:
    """How much of the archive, as it is packed, a unit has to read; 0 for what is missing, which its reading will tell."""
    if manifest.get("origin") == "import":
        file_index, _ = map(int, unit.split("/"))
        file = manifest["files"][file_index]
        return _bytes(home.raw / file["folder"] / file["file"]) // int(file["parts"])
    books = {(ask["venue"], book) for ask in manifest["asks"] if ask["underlying"] == unit for book in ask["books"]}
    folders = [one["folder"] for one in manifest["fetched"] if one["folder"] and (one["venue"], one["book"]) in books]
    return sum(_bytes(file) for folder in folders for file in (home.raw / folder).glob("*.zst"))


def _bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def read_unit(home: Home, settings: Settings, manifest: Mapping[str, Any], unit: str, calendar: TradingCalendar) -> UnitReadings:
    """One unit of an archived run, parsed from its archived replies; raises `ArchiveDamaged`."""
    run_id = manifest["run_id"]
    with logged(run_id=run_id, step="parse"):
        if manifest.get("origin") != "import":
            return UnitReadings([(unit, archived_readings(home, settings, manifest, unit, calendar))], run_id=run_id)
        from flows.run.archived_file import read_archived_file

        file_index, part = map(int, unit.split("/"))
        read = UnitReadings(*read_archived_file(home, manifest, file_index, part, calendar), run_id=run_id)
        if read.error:
            LOG.warning("%s: %s", read.file, read.error, extra={"shown": True})
        return read


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
