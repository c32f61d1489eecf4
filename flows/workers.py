"""Processes that read and compute units of history. They start before they are needed: their libraries load meanwhile."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from flows.units import ReadUnits, RunUnit, UnitReader
from models.calendar import TradingCalendar
from warehouse.checks import all_checks
from warehouse.home import Home
from warehouse.lean_imports import lean_start
from warehouse.logs import start_worker_log
from warehouse.month_files import Moving
from warehouse.relations import all_relations
from warehouse.settings import Settings

FEW = 2  # units that are not worth starting processes for


@dataclass(frozen=True)
class _Place:
    """What a worker is told once."""

    home: Home
    settings: Settings


class _Worker:
    """What a worker process knows from its start on."""

    place: _Place


@contextmanager
def history_workers(home: Home, settings: Settings, *, units: int) -> Iterator[Executor]:
    """One process for each thread that DuckDB may have, or a thread of this process when there are no more than `FEW` units."""
    if units <= FEW:
        with ThreadPoolExecutor(max_workers=1, initializer=_start, initargs=(home, settings)) as thread:
            yield thread
        return
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # of the workers, which are many; this process has loaded polars already
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


def compute_units(units: Sequence[RunUnit], folder: Path, calendar: TradingCalendar, moving: Moving) -> ReadUnits:
    """In a worker: see `UnitReader.read`."""
    return UnitReader(_Worker.place.home, _Worker.place.settings, calendar, moving).read(units, folder)


def _start(home: Home, settings: Settings) -> None:
    lean_start()
    parent = multiprocessing.parent_process()
    if parent is not None:  # a worker whose parent is killed would wait for its next unit for ever
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
        start_worker_log(home, settings)
    _Worker.place = _Place(home, settings)


def _get_ready() -> None:
    """What the first unit would have to wait for."""
    import scipy.optimize  # noqa: F401

    all_relations()
    all_checks()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
