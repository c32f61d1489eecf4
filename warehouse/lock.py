"""One writer at a time: an operating-system lock whose message names the holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import orjson

from models.errors import WorkFileLocked
from warehouse.home import Home, disk_errors


@contextmanager
def writer_lock(home: Home, doing: str) -> Iterator[None]:
    """Hold the home's writer lock; raises `WorkFileLocked` at once when another process has it.

    The lock belongs to the open file: it ends with the process, so a crash leaves no stale lock behind.
    """
    with disk_errors(home.lock_file):
        descriptor = os.open(home.lock_file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkFileLocked(f"{home.work_file} is being written by {_holder(descriptor)}. Wait until it ends, or stop it.") from None
        note = orjson.dumps({"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds"), "doing": doing})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, note, 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    try:
        note = orjson.loads(os.pread(descriptor, 4096, 0))
        return f"process {note['pid']} since {note['since']} ({note['doing']})"
    except (orjson.JSONDecodeError, KeyError):
        return "another process"
