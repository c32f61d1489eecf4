"""History in parallel: each underlying of each archived run is parsed and computed in a process of its own; one committer writes.

Memory is bounded by the units in flight, and what is committed stays: a rebuild that was stopped goes on where it was.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import duckdb

from flows.archived import archived_readings, pending_runs, underlyings_of
from flows.load import venue_rows
from models.calendar import TradingCalendar
from warehouse.archive import read_run
from warehouse.compute import ComputedSnapshot, compute_snapshot
from warehouse.history import settle_history
from warehouse.home import Home
from warehouse.lean_imports import lean_start
from warehouse.load import VenueRows, add_new, merge, replace, transaction
from warehouse.runs import record_run
from warehouse.settings import Settings
from warehouse.snapshot_rows import is_stored, stored_snapshots
from warehouse.work import read_calendar

BATCH_CONTRACTS = 150_000  # committed together: large enough for DuckDB to write them past its log
AHEAD = 2  # units that wait, finished, for the committer, per process


@dataclass(frozen=True)
class ComputedUnit:
    """One underlying of one run, computed on its own."""

    rows: VenueRows
    computed: ComputedSnapshot


class _Worker:
    """What a worker process keeps between units."""

    home: Home
    settings: Settings
    calendar: TradingCalendar


def load_history(con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, *, progress: Callable[[str], None]) -> int:
    """Load every archived run that is not loaded yet, then settle phase 2 of all snapshots; returns how many runs were loaded."""
    runs = pending_runs(con, home)
    batch: list[ComputedUnit] = []
    ended: list[dict[str, Any]] = []
    with _pool(home, settings, read_calendar(con)) as pool:
        for manifest, futures in _computed(pool, home, settings, runs):
            for future in futures:
                unit = future.result()
                if unit is None:
                    continue
                if any(other.rows.snapshot_id == unit.rows.snapshot_id for other in batch):
                    _commit(con, home, batch, ended)
                if is_stored(con, unit.rows.snapshot_id):
                    _merge(con, unit.rows, settings)
                else:
                    batch.append(unit)
            ended.append(manifest)
            if sum(unit.rows.quotes.height for unit in batch) >= BATCH_CONTRACTS:
                _commit(con, home, batch, ended)
            progress(manifest["run_id"])
    _commit(con, home, batch, ended)
    with transaction(con):
        settle_history(con, stored_snapshots(con), settings)
    return len(runs)


def compute_unit(run_id: str, underlying: str) -> ComputedUnit | None:
    """In a worker: parse and compute one underlying of one run; None when no venue gave an instant. Raises `ArchiveDamaged`."""
    home, settings, calendar = _Worker.home, _Worker.settings, _Worker.calendar
    manifest = read_run(home, run_id)
    readings = archived_readings(home, settings, manifest, underlying, calendar)
    rows = venue_rows(underlying, readings, run_id=run_id, origin=manifest["origin"], calendar=calendar, settings=settings)
    return None if rows is None else ComputedUnit(rows, compute_snapshot(rows.venues, rows.quotes, settings=settings))


def _computed(
    pool: ProcessPoolExecutor, home: Home, settings: Settings, runs: Sequence[str]
) -> Iterator[tuple[dict[str, Any], list[Future[ComputedUnit | None]]]]:
    """Runs in order, each with its units under way; never more than a few ahead of the committer."""
    waiting: deque[tuple[dict[str, Any], list[Future[ComputedUnit | None]]]] = deque()
    limit = AHEAD * settings.storage.threads
    for run_id in runs:
        manifest = read_run(home, run_id)
        waiting.append((manifest, [pool.submit(compute_unit, run_id, underlying) for underlying in underlyings_of(manifest)]))
        while sum(len(futures) for _, futures in waiting) > limit:
            yield waiting.popleft()
    yield from waiting


def _commit(con: duckdb.DuckDBPyConnection, home: Home, batch: list[ComputedUnit], ended: list[dict[str, Any]]) -> None:
    """Write a batch and the runs that ended with it, in one transaction; empties both."""
    with transaction(con):
        add_new(con, [unit.rows for unit in batch], [unit.computed for unit in batch])
        for manifest in ended:
            record_run(con, home, manifest)
    batch.clear()
    ended.clear()


def _merge(con: duckdb.DuckDBPyConnection, rows: VenueRows, settings: Settings) -> None:
    """A snapshot that several runs captured: the same merge as in a live load."""
    merged = merge(con, rows)
    if merged is not None:
        computed = compute_snapshot(merged.venues, merged.quotes, settings=settings)
        with transaction(con):
            replace(con, merged, computed)


def _pool(home: Home, settings: Settings, calendar: TradingCalendar) -> ProcessPoolExecutor:
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # of the workers, which are many; this process has loaded polars already
    single = settings.model_copy(update={"storage": settings.storage.model_copy(update={"threads": 1})})
    return ProcessPoolExecutor(
        max_workers=settings.storage.threads,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(home, single, calendar),
    )


def _start_worker(home: Home, settings: Settings, calendar: TradingCalendar) -> None:
    lean_start()
    _Worker.home, _Worker.settings, _Worker.calendar = home, settings, calendar
