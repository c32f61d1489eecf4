"""Locks between processes: operating-system locks whose error message names the holder.

A lock belongs to an open file and ends with its process, so a crash leaves no stale lock. Its note (who, since when, doing what) is for
the message only; the next holder replaces the note of a killed process.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import orjson

from models.errors import AlreadyRunning, StrikehouseError, WorkFileLocked
from warehouse.home.files import disk_errors
from warehouse.home.paths import Home

RETRY_SECONDS = 0.1
LOG_WAIT_SECONDS = 30.0  # for locks of short sections, or of one delivery attempt


@contextmanager
def writer_lock(home: Home, doing: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the home's writer lock; raises `WorkFileLocked` when another process still has it after `wait_s`."""

    def refusal(holder: str) -> StrikehouseError:
        advice = "Wait until it ends, or stop it; what was fetched meanwhile is archived, and the next run loads it."
        return WorkFileLocked(f"{home.work_file} is being written by {holder}. {advice}")

    with _lock(home.lock_file, doing, refusal, wait_s=wait_s):
        yield


@contextmanager
def underlying_lock(home: Home, underlying: str, doing: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of an underlying's runs; raises `AlreadyRunning` when another run of it has not ended after `wait_s`."""

    def refusal(holder: str) -> StrikehouseError:
        return AlreadyRunning(f"the run of {underlying} before this one has not ended: {holder}")

    with _lock(home.locks / f"{quote(underlying, safe='')}.lock", doing, refusal, wait_s=wait_s):
        yield


@contextmanager
def underlying_locks(home: Home, underlyings: Collection[str], doing: str, *, wait_s: float) -> Iterator[None]:
    """Hold the locks of several underlyings; raises `AlreadyRunning` when a run of one of them has not ended after `wait_s`.

    They are acquired in order of name, so that two processes cannot deadlock.
    """
    with ExitStack() as locks:
        for underlying in sorted(underlyings):
            locks.enter_context(underlying_lock(home, underlying, doing, wait_s=wait_s))
        yield


@contextmanager
def schedule_lock(home: Home) -> Iterator[None]:
    """Hold the lock of the process that serves the home's schedules; raises `AlreadyRunning` at once."""

    def refusal(holder: str) -> StrikehouseError:
        return AlreadyRunning(f"The schedules of {home.root} are served already by {holder}. Stop it first, or leave it running.")

    with _lock(home.locks / ".schedule", "strikehouse schedule", refusal):
        yield


@contextmanager
def alerts_lock(home: Home, doing: str) -> Iterator[None]:
    """Hold the lock for evaluating alert rules or delivering outside a run; raises `AlreadyRunning` after half a minute."""

    def refusal(holder: str) -> StrikehouseError:
        return AlreadyRunning(f"alert rules are being asked by {holder}, for too long. Look at that process, or stop it.")

    with _lock(home.locks / ".alerts", doing, refusal, wait_s=LOG_WAIT_SECONDS):
        yield


@contextmanager
def schedule_log_lock(home: Home) -> Iterator[None]:
    """Hold the lock of published/schedule.json, used for short sections only; raises `AlreadyRunning` after half a minute."""

    def refusal(holder: str) -> StrikehouseError:
        return AlreadyRunning(f"{home.schedule_file} is being written by {holder}, for too long. Look at that process, or stop it.")

    with _lock(home.locks / ".schedule-log", "schedule.json", refusal, wait_s=LOG_WAIT_SECONDS):
        yield


@contextmanager
def _lock(path: Path, doing: str, refusal: Callable[[str], StrikehouseError], *, wait_s: float = 0.0) -> Iterator[None]:
    with disk_errors(path):
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + wait_s
        while not _try(descriptor):
            if time.monotonic() >= deadline:
                raise refusal(_holder(descriptor))
            time.sleep(RETRY_SECONDS)
        note = orjson.dumps({"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds"), "doing": doing})
        with disk_errors(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, note, 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    try:
        note = orjson.loads(os.pread(descriptor, 4096, 0))
        return f"process {note['pid']} since {note['since']} ({note['doing']})"
    except (orjson.JSONDecodeError, KeyError):
        return "another process"
