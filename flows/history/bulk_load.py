"""History in parallel: units of archived runs are parsed and computed in processes of their own; one committer writes.

Memory is bounded by what is under way, and what is committed stays: a rebuild that was stopped goes on where it was.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from flows.history.work_units import ComputedGroup, ReadUnits, RunUnit, UnitReport
from flows.history.workers import compute_units, history_workers
from flows.run.replay import bytes_of_unit, pending_runs, units_of
from models.market.calendar import TradingCalendar
from warehouse.archive.runs import read_run
from warehouse.home.paths import Home
from warehouse.load.compute import compute_snapshot
from warehouse.load.history_checks import settle_history
from warehouse.load.merge import VenueRows, add_new, merge
from warehouse.load.merge import replace as replace_snapshot
from warehouse.load.runs import record_runs
from warehouse.load.settlements import load_settlements
from warehouse.load.snapshot_rows import is_stored, stored_snapshots
from warehouse.settings import Settings
from warehouse.storage.cold_partitions import add_files
from warehouse.storage.parquet_files import Moving
from warehouse.storage.transactions import is_unpublished, transaction
from warehouse.storage.work_file import install_for_readers, native_from, parquet_folder, read_calendar, reduced_resources

BATCH_CONTRACTS = 200_000  # committed together: large enough for DuckDB to write them past its log
IN_FILES = 0.2  # what a contract counts of which the committer writes little: most of its rows are in files already
MOST_UNITS = 10  # of one task, where they are equal
AHEAD = 1  # tasks that wait, finished, for the committer, per process


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


def load_history(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    settings: Settings,
    *,
    now: datetime,
    progress: Callable[[str], None],
    workers: Executor | None = None,
) -> list[UnitReport]:
    """Load every archived run that is not loaded yet, then settle phase 2 of all snapshots; returns a report per unit.

    Months that `maintain` would move at `now` become Parquet files at once. `workers`: of `history_workers`, when they are started already.
    While they have the first units, the work file gets what only readers need, if it came without.
    """
    runs = pending_runs(con, home)
    if not runs and not is_unpublished(con):  # what was stopped between a load and its phase 2 is not published
        return []
    batch = _Batch()
    reports: list[UnitReport] = []
    failures: dict[str, dict[str, str]] = {}  # run → file → why it cannot be read
    calendar = read_calendar(con)
    tasks = _tasks(home, settings, runs) if runs else []
    moving = Moving(parquet_folder(home, settings), native_from(settings, now).date())
    compute = partial(compute_units, calendar=calendar, moving=moving)
    units = sum(len(task.units) for task in tasks)
    start = history_workers(home, settings, units=units) if workers is None else nullcontext(workers)
    with _folder(home) as folder, start as pool, reduced_resources(con, settings.storage):
        under_way = _under_way(partial(pool.submit, compute), settings, tasks, folder)
        for number, (task, future) in enumerate(under_way):
            if number == 0:
                install_for_readers(con)
            read = future.result()
            reports += read.reports
            for report in read.reports:
                if report.file and report.error:
                    failures.setdefault(report.run_id, {})[report.file] = report.error
            batch.settlements += read.settlements
            for group in read.groups:
                batch = _add_to_batch(con, home, settings, calendar, batch, group)
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
    """Every unit in order, in as many tasks for each process, which have as much to read."""
    manifests = [read_run(home, run_id) for run_id in runs]
    units = [[(unit, bytes_of_unit(home, manifest, unit)) for unit in units_of(manifest)] for manifest in manifests]
    count, whole = sum(map(len, units)), sum(size for one in units for _, size in one)
    rounds = -(-count // (settings.storage.threads * MOST_UNITS))
    share = whole / max(rounds * settings.storage.threads, 1)
    tasks, before = [_Task()], 0
    for manifest, of_run in zip(manifests, units, strict=True):
        for unit, size in of_run:
            if tasks[-1].units and before + size / 2 > share * len(tasks):  # more of it belongs to the next one
                tasks.append(_Task())
            tasks[-1].units.append(RunUnit(manifest["run_id"], unit))
            before += size
        tasks[-1].ended.append(manifest)
    return tasks


def _under_way(
    submit: Callable[[Sequence[RunUnit], Path], Future[ReadUnits]], settings: Settings, tasks: Sequence[_Task], folder: Path
) -> Iterator[tuple[_Task, Future[ReadUnits]]]:
    """Tasks in order; never more under way than a few ahead of the committer."""
    waiting: deque[tuple[_Task, Future[ReadUnits]]] = deque()
    left = deque(enumerate(tasks))
    while left or waiting:
        while left and len(waiting) <= AHEAD * settings.storage.threads:
            index, task = left.popleft()
            waiting.append((task, submit(task.units, folder / str(index))))
        yield waiting.popleft()


def _add_to_batch(
    con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, calendar: TradingCalendar, batch: _Batch, group: ComputedGroup
) -> _Batch:
    """Add a group to the batch. A snapshot that several runs captured is merged with what is stored of it, as in a live load."""
    waiting = {rows.snapshot_id for _, others, _ in batch.groups for rows in others}
    if any(rows.snapshot_id in waiting for rows in group.rows):
        batch = _commit(con, home, batch)
    fresh, stored = [], []
    for rows in group.rows:
        if is_stored(con, rows.snapshot_id):
            quotes = group.computed().tables["core.option_quotes"].filter(snapshot_id=rows.snapshot_id)
            _merge(con, replace(rows, quotes=quotes), calendar, settings)
            stored.append(rows.snapshot_id)
        else:
            fresh.append(rows)
    batch.groups.append((group, fresh, stored))
    batch.contracts += round(group.contracts * IN_FILES) if group.files else group.contracts
    return batch


def _commit(con: duckdb.DuckDBPyConnection, home: Home, batch: _Batch) -> _Batch:
    """Write a batch, with the runs that ended in it, in one transaction; returns an empty one."""
    if batch.groups or batch.settlements or batch.ended:
        with transaction(con):
            as_they_are = [(group, rows) for group, rows, stored in batch.groups if not stored]
            add_new(con, [one for _, rows in as_they_are for one in rows], [group.computed(with_files=False) for group, _ in as_they_are])
            add_files(con, [file for group, _ in as_they_are for file in group.files])
            for group, rows, stored in batch.groups:
                if stored:  # what was captured before is merged already; its files, which hold that too, are left to `maintain`
                    add_new(con, rows, [group.computed().without(stored)])
                shutil.rmtree(group.folder)
            if batch.settlements:
                load_settlements(con, pl.concat(batch.settlements))
            record_runs(con, home, batch.ended)
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
