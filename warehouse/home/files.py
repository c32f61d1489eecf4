"""Whole-file writes, and errors of the disk in words."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import DiskProblem

_HINTS = {
    errno.ENOSPC: "The disk is full: free some space and run again; what was archived is kept and nothing was published half.",
    errno.EDQUOT: "The disk quota is used up: free some space and run again; what was archived is kept.",
    errno.EROFS: "The disk is read-only: point STRIKEHOUSE_HOME to a folder that can be written.",
    errno.EACCES: "It may not be written or read by this user: change its owner or mode, or point STRIKEHOUSE_HOME elsewhere.",
    errno.EPERM: "It may not be written or read by this user: change its owner or mode, or point STRIKEHOUSE_HOME elsewhere.",
    errno.ENOTDIR: "A part of the path is a file, not a folder: point STRIKEHOUSE_HOME to a folder.",
    errno.EEXIST: "A file stands where a folder is needed: move it away, or point STRIKEHOUSE_HOME elsewhere.",
}


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` about `path` into a `DiskProblem` that says what to do."""
    try:
        yield
    except OSError as error:
        hint = _HINTS.get(error.errno or 0, "Look at the disk, then run again.")
        raise DiskProblem(f"{error.filename or path}: {error.strerror or error}. {hint}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all: temporary file, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that killed processes left in a folder; one whose process still runs is its own to remove."""
    for path in folder.glob(".*.tmp"):
        named = re.fullmatch(r".+\.(\d+)\.tmp", path.name)
        if named and not _is_running(int(named[1])):
            path.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
