"""What a worker process does for history: reads units of archived runs, and computes their snapshots several at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import polars as pl

from flows.run.parse import settlement_rows, settlements_of, venue_rows
from flows.run.replay import UnitReadings, read_unit
from models.chain import ParsedChain
from models.market.calendar import TradingCalendar
from warehouse.archive.runs import read_run
from warehouse.home.paths import Home
from warehouse.load.arrow_files import read_computed, write_computed
from warehouse.load.compute import Captured, Computed, compute_snapshots
from warehouse.load.merge import VenueRows
from warehouse.settings import Settings
from warehouse.storage.parquet_files import MonthFile, Moving

GROUP_CONTRACTS = 230_000  # computed together: most of what the relations of one snapshot cost alone is planning
NATIVE_CONTRACTS = 130_000  # of a group whose rows do not become files: they pass through the committer's memory too

Warnings = dict[tuple[str, str], tuple[str, ...]]  # by snapshot_id and venue


class RunUnit(NamedTuple):
    """A unit of a run."""

    run_id: str
    unit: str


@dataclass(frozen=True)
class UnitReport:
    """What became of one unit: of each venue of its snapshots the warnings, and why it could not be read."""

    run_id: str
    unit: str
    warnings: Warnings
    file: str | None  # of an import
    error: str | None
    settlements: int  # settlement prices of a file that holds such


@dataclass(frozen=True)
class ComputedGroup:
    """Snapshots that were computed together, each another one: what was read of each, and where the computed rows lie."""

    rows: list[VenueRows]  # the quotes are left out: computed rows hold them
    folder: Path
    files: list[MonthFile]  # with the rows of old months, which are not in the folder
    parquet: Path  # the folder that those are below
    contracts: int

    def computed(self, *, with_files: bool = True) -> Computed:
        """The computed rows; those in Parquet files too, or without them when the work file is to stand on the files."""
        return read_computed(self.folder, self.files if with_files else (), self.parquet)


@dataclass(frozen=True)
class ReadUnits:
    """What consecutive units gave."""

    groups: list[ComputedGroup]
    settlements: list[pl.DataFrame]  # rows of core.delivery_prices
    reports: list[UnitReport]


class _Chain(NamedTuple):
    """A snapshot that is read and not computed yet."""

    unit_index: int  # of its unit
    read: UnitReadings
    rows: VenueRows
    warnings: Warnings


class UnitReader:
    """Reads and computes units; what it keeps between them is the same for all."""

    def __init__(self, home: Home, settings: Settings, calendar: TradingCalendar, moving: Moving) -> None:
        self._home, self._settings, self._calendar, self._moving = home, settings, calendar, moving

    def read(self, units: Sequence[RunUnit], folder: Path) -> ReadUnits:
        """Parse and compute units in order; computed rows go into folders below `folder`. Raises `ArchiveDamaged`."""
        result = ReadUnits([], [], [])
        waiting: list[_Chain] = []
        for unit_index, unit in enumerate(units):
            for chain in self._chains(unit_index, unit, result):
                ids = [one.rows.snapshot_id for one in waiting]
                contracts = sum(one.rows.quotes.height for one in (*waiting, chain))
                is_old = all(map(self._moving.is_due, (*ids, chain.rows.snapshot_id)))
                if chain.rows.snapshot_id in ids or (waiting and contracts > (GROUP_CONTRACTS if is_old else NATIVE_CONTRACTS)):
                    self._compute(waiting, result, folder)
                    waiting = []
                waiting.append(chain)
        self._compute(waiting, result, folder)
        return result

    def _chains(self, unit_index: int, unit: RunUnit, result: ReadUnits) -> list[_Chain]:
        """The snapshots of a unit; its settlement prices and its report go into the result."""
        manifest = read_run(self._home, unit.run_id)
        read = read_unit(self._home, self._settings, manifest, unit.unit, self._calendar)
        settlements = [read.settlements]
        origin, error, chains = manifest["origin"], read.error, []
        for underlying, readings in read.snapshots:
            settlements += settlements_of(readings)
            try:
                rows = venue_rows(underlying, readings, run_id=unit.run_id, origin=origin, calendar=self._calendar, settings=self._settings)
            except Exception as failure:  # noqa: BLE001 - raised again for a live run
                error = read.failed(failure)
                continue
            if rows is not None:
                warnings = {(rows.snapshot_id, one.venue): _notes(one.chain) for one in readings if one.chain is not None}
                chains.append(_Chain(unit_index, replace(read, snapshots=()), rows, warnings))
        result.settlements.append(settlement_rows(settlements, run_id=unit.run_id, origin=origin))
        result.reports.append(UnitReport(*unit, {}, read.file, error, read.settlements.height))
        return chains

    def _compute(self, chains: Sequence[_Chain], result: ReadUnits, folder: Path) -> None:
        if not chains:
            return
        captured = [Captured(chain.rows.venues, chain.rows.quotes) for chain in chains]
        try:
            computed = compute_snapshots(captured, calendar=self._calendar, settings=self._settings)
        except Exception as failure:  # noqa: BLE001 - raised again for a live run
            if len(chains) > 1:  # which of them it is shows when each is computed alone
                for chain in chains:
                    self._compute([chain], result, folder)
                return
            (chain,) = chains
            _note(result, chain.unit_index, error=chain.read.failed(failure))
            return
        group_folder = folder / str(len(result.groups))
        files = write_computed(computed, group_folder, self._moving)
        contracts = sum(one.quotes.height for one in captured)
        rows = [replace(one.rows, quotes=one.rows.quotes.clear()) for one in chains]
        result.groups.append(ComputedGroup(rows, group_folder, files, self._moving.folder, contracts))
        for chain in chains:
            _note(result, chain.unit_index, warnings=chain.warnings)


def _note(result: ReadUnits, unit_index: int, *, warnings: Warnings | None = None, error: str | None = None) -> None:
    report = result.reports[unit_index]
    result.reports[unit_index] = replace(report, warnings=report.warnings | (warnings or {}), error=error or report.error)


def _notes(chain: ParsedChain) -> tuple[str, ...]:
    return (*chain.warnings, *(f"unknown field {name} on {rows} rows was ignored" for name, rows in chain.unknown_fields.items()))
