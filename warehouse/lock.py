"""One writer at a time: an operating-system lock whose message names the holder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import orjson

from models.errors import WorkFileLocked
from warehouse.home import Home, disk_errors

RETRY_SECONDS = 0.1


@contextmanager
def writer_lock(home: Home, doing: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the home's writer lock; raises `WorkFileLocked` when another process still has it after `wait_s`.

    The lock belongs to the open file: it ends with the process, so a crash leaves no stale lock behind.
    """
    with disk_errors(home.lock_file):
        descriptor = os.open(home.lock_file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + wait_s
        while not _try(descriptor):
            if time.monotonic() >= deadline:
                advice = "Wait until it ends, or stop it; what was fetched meanwhile is archived, and the next run loads it."
                raise WorkFileLocked(f"{home.work_file} is being written by {_holder(descriptor)}. {advice}")
            time.sleep(RETRY_SECONDS)
        note = orjson.dumps({"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds"), "doing": doing})
        with disk_errors(home.lock_file):
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
