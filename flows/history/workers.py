"""Processes that read and compute units of history. They start before they are needed, and load their libraries meanwhile.

So this module loads none of them itself: commands start workers first and load the rest of what they need then.
"""

from __future__ import annotations

import gc
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.home.lean_imports import lean_start
from warehouse.home.logs import start_worker_log
from warehouse.home.paths import Home
from warehouse.settings import Settings

if TYPE_CHECKING:
    from flows.history.work_units import ReadUnits, RunUnit
    from models.market.calendar import TradingCalendar
    from warehouse.storage.parquet_files import Moving

ONE_THREAD = ("POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS")
FEW = 2  # units that are not worth starting processes for


class _Worker:
    """What a worker process is told once."""

    home: Home
    settings: Settings


@contextmanager
def history_workers(home: Home, settings: Settings, *, units: int) -> Iterator[Executor]:
    """One process for each thread that DuckDB may have, or a thread of this process when there are no more than `FEW` units."""
    if units <= FEW:
        with ThreadPoolExecutor(max_workers=1, initializer=_start, initargs=(home, settings)) as thread:
            yield thread
        return
    for (
        variable
    ) in ONE_THREAD:  # of the workers, which are many; and of this process, if it loads these libraries later: it has little to do
        os.environ.setdefault(variable, "1")
    single = settings.model_copy(update={"storage": settings.storage.model_copy(update={"threads": 1})})
    with ProcessPoolExecutor(
        max_workers=settings.storage.threads,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(home, single),
    ) as pool:
        for _ in range(settings.storage.threads):
            pool.submit(_get_ready)
        try:
            yield pool
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def early_workers(home: Home, settings: Settings, *, units: int) -> AbstractContextManager[Executor | None]:
    """Workers that start now, or none where it is not sure yet that so many units will come: then the load starts its own."""
    return history_workers(home, settings, units=units) if units > FEW else nullcontext()


def workers_for_all_runs(home: Home, settings: Settings) -> AbstractContextManager[Executor | None]:
    """Early workers for what lies in the archive."""
    return early_workers(home, settings, units=sum(1 for _ in home.runs.glob("*.json")))


def workers_for_files(home: Home, settings: Settings, paths: Sequence[Path]) -> AbstractContextManager[Executor | None]:
    """Early workers for files to import, and folders of them."""
    inside = (one for path in paths for one in (path.rglob("*") if path.is_dir() else [path]))
    return early_workers(home, settings, units=sum(1 for _ in islice(inside, FEW + 1)))


def compute_units(units: Sequence[RunUnit], folder: Path, calendar: TradingCalendar, moving: Moving) -> ReadUnits:
    """In a worker: see `UnitReader.read`."""
    from flows.history.work_units import UnitReader

    return UnitReader(_Worker.home, _Worker.settings, calendar, moving).read(units, folder)


def _start(home: Home, settings: Settings) -> None:
    lean_start()
    parent = multiprocessing.parent_process()
    if parent is not None:  # a worker whose parent is killed would wait for its next unit for ever
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
        start_worker_log(home, settings)
    _Worker.home, _Worker.settings = home, settings


def _get_ready() -> None:
    """What the first unit would have to wait for."""
    for name in ("flows.history.work_units", "scipy.optimize"):
        import_module(name)
    from warehouse.catalog.checks import all_checks
    from warehouse.catalog.relations import all_relations

    all_relations()
    all_checks()
    gc.freeze()  # what is loaded stays: the collector need not go through it again and again


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
