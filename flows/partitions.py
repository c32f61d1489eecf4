"""History in parallel: each unit of each archived run is parsed and computed in a process of its own; one committer writes.

Memory is bounded by the units in flight, and what is committed stays: a rebuild that was stopped goes on where it was.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import duckdb
import polars as pl

from flows.archived import pending_runs, read_unit, units_of
from flows.load import settlement_rows, settlements_of, venue_rows
from models.calendar import TradingCalendar
from models.chain import ParsedChain
from warehouse.archive import read_run
from warehouse.compute import ComputedSnapshot, compute_snapshot
from warehouse.history import settle_history
from warehouse.home import Home
from warehouse.lean_imports import lean_start
from warehouse.load import VenueRows, add_new, merge, replace
from warehouse.logs import start_worker_log
from warehouse.runs import record_run
from warehouse.settings import Settings
from warehouse.settlements import load_settlements
from warehouse.snapshot_rows import is_stored, stored_snapshots
from warehouse.transactions import is_unpublished, transaction
from warehouse.work import read_calendar

BATCH_CONTRACTS = 250_000  # committed together: large enough for DuckDB to write them past its log
AHEAD = 2  # units that wait, finished, for the committer, per process
FEW = 2  # units that are not worth starting processes for


@dataclass(frozen=True)
class ComputedUnit:
    """What one unit gave of one snapshot, computed on its own."""

    rows: VenueRows
    computed: ComputedSnapshot


@dataclass(frozen=True)
class UnitReport:
    """What became of one unit: of each venue of its snapshots the warnings, and why it could not be read."""

    run_id: str
    unit: str
    warnings: dict[tuple[str, str], tuple[str, ...]]  # snapshot_id, venue
    file: str | None  # of an import
    error: str | None
    settlements: int  # settlement prices of a file that holds such


@dataclass(frozen=True)
class ReadUnit:
    """What one unit of a run gave."""

    snapshots: list[ComputedUnit]
    settlements: pl.DataFrame  # rows of core.delivery_prices
    report: UnitReport


@dataclass
class _Batch:
    """What is committed together."""

    units: list[ComputedUnit] = field(default_factory=list)
    settlements: list[pl.DataFrame] = field(default_factory=list)
    ended: list[tuple[dict[str, Any], dict[str, str]]] = field(default_factory=list)  # runs, with the failures of their files


class _Worker:
    """What a worker process keeps between units."""

    home: Home
    settings: Settings
    calendar: TradingCalendar


def load_history(con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, *, progress: Callable[[str], None]) -> list[UnitReport]:
    """Load every archived run that is not loaded yet, then settle phase 2 of all snapshots; returns a report per unit."""
    runs = pending_runs(con, home)
    if not runs and not is_unpublished(con):  # what was stopped between a load and its phase 2 is not published
        return []
    batch = _Batch()
    reports: list[UnitReport] = []
    failures: dict[str, str] = {}  # of the run that is being read
    calendar = read_calendar(con)
    with _pool(home, settings, calendar, runs) as pool:
        for manifest, future in _computed(pool, home, settings, runs):
            if future is None:  # the run has ended
                batch.ended.append((manifest, failures))
                failures = {}
                progress(manifest["run_id"])
                continue
            read = future.result()
            reports.append(read.report)
            if read.report.file and read.report.error:
                failures[read.report.file] = read.report.error
            batch.settlements.append(read.settlements)
            for unit in read.snapshots:
                if any(other.rows.snapshot_id == unit.rows.snapshot_id for other in batch.units):
                    batch = _commit(con, home, batch)
                if is_stored(con, unit.rows.snapshot_id):
                    _merge(con, unit.rows, calendar, settings)
                else:
                    batch.units.append(unit)
            if sum(unit.rows.quotes.height for unit in batch.units) >= BATCH_CONTRACTS:
                batch = _commit(con, home, batch)
    _commit(con, home, batch)
    with transaction(con):
        settle_history(con, stored_snapshots(con), settings)
    return reports


def compute_unit(run_id: str, unit: str) -> ReadUnit:
    """In a worker: parse and compute one unit of one run. Raises `ArchiveDamaged`."""
    home, settings, calendar = _Worker.home, _Worker.settings, _Worker.calendar
    manifest = read_run(home, run_id)
    read = read_unit(home, settings, manifest, unit, calendar)
    error = read.error
    computed: list[ComputedUnit] = []
    settlements = [read.settlements]
    warnings: dict[tuple[str, str], tuple[str, ...]] = {}
    for underlying, readings in read.snapshots:
        settlements += settlements_of(readings)
        try:
            rows = venue_rows(underlying, readings, run_id=run_id, origin=manifest["origin"], calendar=calendar, settings=settings)
            if rows is not None:
                computed.append(ComputedUnit(rows, compute_snapshot(rows.venues, rows.quotes, calendar=calendar, settings=settings)))
                warnings |= {(rows.snapshot_id, one.venue): _notes(one.chain) for one in readings if one.chain is not None}
        except Exception as failure:  # noqa: BLE001 - raised again for a live run
            error = read.failed(failure)
    prices = settlement_rows(settlements, run_id=run_id, origin=manifest["origin"])
    return ReadUnit(computed, prices, UnitReport(run_id, unit, warnings, read.file, error, read.settlements.height))


def _notes(chain: ParsedChain) -> tuple[str, ...]:
    return (*chain.warnings, *(f"unknown field {name} on {rows} rows was ignored" for name, rows in chain.unknown_fields.items()))


def _computed(
    pool: Executor, home: Home, settings: Settings, runs: Sequence[str]
) -> Iterator[tuple[dict[str, Any], Future[ReadUnit] | None]]:
    """Units in order, under way, and None where a run has ended; never more than a few ahead of the committer."""
    waiting: deque[tuple[dict[str, Any], Future[ReadUnit] | None]] = deque()
    limit = AHEAD * settings.storage.threads
    for run_id in runs:
        manifest = read_run(home, run_id)
        for unit in units_of(manifest):
            waiting.append((manifest, pool.submit(compute_unit, run_id, unit)))
            while sum(future is not None for _, future in waiting) > limit:
                yield waiting.popleft()
        waiting.append((manifest, None))
    yield from waiting


def _commit(con: duckdb.DuckDBPyConnection, home: Home, batch: _Batch) -> _Batch:
    """Write a batch, with the runs that ended in it, in one transaction; returns an empty one."""
    if batch.units or batch.settlements or batch.ended:
        with transaction(con):
            add_new(con, [unit.rows for unit in batch.units], [unit.computed for unit in batch.units])
            if batch.settlements:
                load_settlements(con, pl.concat(batch.settlements))
            for manifest, failures in batch.ended:
                record_run(con, home, manifest, failures)
    return _Batch()


def _merge(con: duckdb.DuckDBPyConnection, rows: VenueRows, calendar: TradingCalendar, settings: Settings) -> None:
    """A snapshot that several runs captured: the same merge as in a live load."""
    merged = merge(con, rows)
    if merged is not None:
        computed = compute_snapshot(merged.venues, merged.quotes, calendar=calendar, settings=settings)
        with transaction(con):
            replace(con, merged, computed)


def _pool(home: Home, settings: Settings, calendar: TradingCalendar, runs: Sequence[str]) -> Executor:
    if len(runs) <= FEW and sum(len(units_of(read_run(home, run_id))) for run_id in runs) <= FEW:
        return ThreadPoolExecutor(max_workers=1, initializer=_start_worker, initargs=(home, settings, calendar))
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # of the workers, which are many; this process has loaded polars already
    single = settings.model_copy(update={"storage": settings.storage.model_copy(update={"threads": 1})})
    return ProcessPoolExecutor(
        max_workers=settings.storage.threads,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(home, single, calendar),
    )


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _start_worker(home: Home, settings: Settings, calendar: TradingCalendar) -> None:
    lean_start()
    parent = multiprocessing.parent_process()
    if parent is not None:  # a worker whose parent is killed would wait for its next unit for ever
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
        start_worker_log(home, settings)
    _Worker.home, _Worker.settings, _Worker.calendar = home, settings, calendar
