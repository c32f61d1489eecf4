"""History in parallel: units of archived runs are parsed and computed in processes of their own; one committer writes.

Memory is bounded by what is under way, and what is committed stays: a rebuild that was stopped goes on where it was.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from flows.archived import pending_runs, units_of
from flows.units import ComputedGroup, ReadUnits, RunUnit, UnitReader, UnitReport
from models.calendar import TradingCalendar
from warehouse.archive import read_run
from warehouse.compute import compute_snapshot
from warehouse.computed_files import read_computed
from warehouse.history import settle_history
from warehouse.home import Home
from warehouse.lean_imports import lean_start
from warehouse.load import VenueRows, add_new, merge
from warehouse.load import replace as replace_snapshot
from warehouse.logs import start_worker_log
from warehouse.runs import record_run
from warehouse.settings import Settings
from warehouse.settlements import load_settlements
from warehouse.snapshot_rows import is_stored, stored_snapshots
from warehouse.transactions import is_unpublished, transaction
from warehouse.work import beside_workers, read_calendar

BATCH_CONTRACTS = 200_000  # committed together: large enough for DuckDB to write them past its log
MOST_UNITS = 6  # of one task
AHEAD = 1  # tasks that wait, finished, for the committer, per process
FEW = 2  # units that are not worth starting processes for


@dataclass(frozen=True)
class _Task:
    """What a process is sent at once: consecutive units, and the runs that end with them."""

    units: list[RunUnit] = field(default_factory=list)
    ended: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class _Batch:
    """What is committed together."""

    groups: list[tuple[ComputedGroup, list[VenueRows], list[str]]] = field(default_factory=list)  # with what is new, and stored already
    contracts: int = 0
    settlements: list[pl.DataFrame] = field(default_factory=list)
    ended: list[tuple[dict[str, Any], dict[str, str]]] = field(default_factory=list)  # runs, with the failures of their files


class _Worker:
    """What a worker process keeps between tasks."""

    reader: UnitReader


def load_history(con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, *, progress: Callable[[str], None]) -> list[UnitReport]:
    """Load every archived run that is not loaded yet, then settle phase 2 of all snapshots; returns a report per unit."""
    runs = pending_runs(con, home)
    if not runs and not is_unpublished(con):  # what was stopped between a load and its phase 2 is not published
        return []
    batch = _Batch()
    reports: list[UnitReport] = []
    failures: dict[str, dict[str, str]] = {}  # run → file → why it cannot be read
    calendar = read_calendar(con)
    tasks = _tasks(home, settings, runs)
    with _folder(home) as folder, _pool(home, settings, calendar, tasks) as pool, beside_workers(con, settings.storage):
        for task, future in _under_way(pool, settings, tasks, folder):
            read = future.result()
            reports += read.reports
            for report in read.reports:
                if report.file and report.error:
                    failures.setdefault(report.run_id, {})[report.file] = report.error
            batch.settlements += read.settlements
            for group in read.groups:
                batch = _take(con, home, settings, calendar, batch, group)
            batch.ended += [(manifest, failures.pop(manifest["run_id"], {})) for manifest in task.ended]
            if batch.contracts >= BATCH_CONTRACTS:
                batch = _commit(con, home, batch)
            for manifest in task.ended:
                progress(manifest["run_id"])
        _commit(con, home, batch)
    with transaction(con):
        settle_history(con, stored_snapshots(con), settings)
    return reports


def _tasks(home: Home, settings: Settings, runs: Sequence[str]) -> list[_Task]:
    """Every unit in order, in as many tasks for each process."""
    manifests = [read_run(home, run_id) for run_id in runs]
    units = sum(len(units_of(manifest)) for manifest in manifests)
    rounds = -(-units // (settings.storage.threads * MOST_UNITS))
    size = -(-units // max(rounds * settings.storage.threads, 1))
    tasks = [_Task()]
    for manifest in manifests:
        for unit in units_of(manifest):
            if len(tasks[-1].units) == size:
                tasks.append(_Task())
            tasks[-1].units.append(RunUnit(manifest["run_id"], unit))
        tasks[-1].ended.append(manifest)
    return tasks


def _under_way(pool: Executor, settings: Settings, tasks: Sequence[_Task], folder: Path) -> Iterator[tuple[_Task, Future[ReadUnits]]]:
    """Tasks in order; never more under way than a few ahead of the committer."""
    waiting: deque[tuple[_Task, Future[ReadUnits]]] = deque()
    left = deque(enumerate(tasks))
    while left or waiting:
        while left and len(waiting) <= AHEAD * settings.storage.threads:
            place, task = left.popleft()
            waiting.append((task, pool.submit(compute_units, task.units, folder / str(place))))
        yield waiting.popleft()


def compute_units(units: Sequence[RunUnit], folder: Path) -> ReadUnits:
    """In a worker: see `UnitReader.read`."""
    return _Worker.reader.read(units, folder)


def _take(
    con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, calendar: TradingCalendar, batch: _Batch, group: ComputedGroup
) -> _Batch:
    """Add a group to the batch. A snapshot that several runs captured is merged with what is stored of it, as in a live load."""
    waiting = {rows.snapshot_id for _, others, _ in batch.groups for rows in others}
    if any(rows.snapshot_id in waiting for rows in group.rows):
        batch = _commit(con, home, batch)
    fresh, stored = [], []
    for rows in group.rows:
        if is_stored(con, rows.snapshot_id):
            quotes = read_computed(group.folder).tables["core.option_quotes"].filter(snapshot_id=rows.snapshot_id)
            _merge(con, replace(rows, quotes=quotes), calendar, settings)
            stored.append(rows.snapshot_id)
        else:
            fresh.append(rows)
    batch.groups.append((group, fresh, stored))
    batch.contracts += group.contracts
    return batch


def _commit(con: duckdb.DuckDBPyConnection, home: Home, batch: _Batch) -> _Batch:
    """Write a batch, with the runs that ended in it, in one transaction; returns an empty one."""
    if batch.groups or batch.settlements or batch.ended:
        with transaction(con):
            for group, fresh, stored in batch.groups:  # whose rows are in memory only while they are written
                add_new(con, fresh, read_computed(group.folder).without(stored))
                shutil.rmtree(group.folder)
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
            replace_snapshot(con, merged, computed)


@contextmanager
def _folder(home: Home) -> Iterator[Path]:
    """Where workers leave rows for the committer. Only one process at a time writes, so what lies there is of one that was killed."""
    folder = home.temporary / "history"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pool(home: Home, settings: Settings, calendar: TradingCalendar, tasks: Sequence[_Task]) -> Executor:
    if sum(len(task.units) for task in tasks) <= FEW:
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
    _Worker.reader = UnitReader(home, settings, calendar)
