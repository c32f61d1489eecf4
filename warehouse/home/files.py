"""Atomic file writes, and disk errors with advice."""

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
    """Write a file so that readers see all of it or nothing."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of `path`; after the block the file is durable under its name, after an error it is removed."""
    with temporary_file(path) as temporary:
        yield temporary
        rename_durably(temporary, path)


@contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """A path in the folder of `path` that readers ignore; removed at the end of the block, unless the file was renamed.

    `remove_leftovers` removes it if this process is killed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path):
        temporary.unlink(missing_ok=True)  # left by a process with the same id before a restart
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


def rename_durably(source: Path, target: Path) -> None:
    """Rename a written and closed file within its folder: fsync, rename, fsync of the folder."""
    with disk_errors(target):
        sync(source)
        source.replace(target)
        sync(target.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that killed processes left in a folder; files of running processes stay.

    A name without a process id is from a publication by an earlier version, which ran one at a time.
    """
    for path in folder.glob(".*.tmp"):
        named = re.fullmatch(r".+\.(\d+)\.tmp", path.name)
        if named is None or not _is_running(int(named[1])):
            path.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's process
    return True


def sync(path: Path) -> None:
    """Make the content of a file durable, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
