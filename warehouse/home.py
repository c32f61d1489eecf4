"""Where data lives: the folders of one home, and errors of the disk told in words."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.errors import DiskProblem
from warehouse.settings import Settings

_HINTS = {
    errno.ENOSPC: "The disk is full: free some space and run again; what was archived is kept and nothing was published half.",
    errno.EDQUOT: "The disk quota is used up: free some space and run again; what was archived is kept.",
    errno.EROFS: "The disk is read-only: point STRIKEHOUSE_HOME to a folder that can be written.",
    errno.EACCES: "It may not be written or read by this user: change its owner or mode, or point STRIKEHOUSE_HOME elsewhere.",
    errno.EPERM: "It may not be written or read by this user: change its owner or mode, or point STRIKEHOUSE_HOME elsewhere.",
    errno.ENOTDIR: "A part of the path is a file, not a folder: point STRIKEHOUSE_HOME to a folder.",
    errno.EEXIST: "A file stands where a folder is needed: move it away, or point STRIKEHOUSE_HOME elsewhere.",
}


@dataclass(frozen=True)
class Home:
    """The folders and files of one Strikehouse home."""

    root: Path

    @property
    def raw(self) -> Path:
        """Archived replies: the source of truth."""
        return self.root / "raw"

    @property
    def runs(self) -> Path:
        """Run manifests."""
        return self.raw / "_runs"

    @property
    def work_file(self) -> Path:
        """The database that one writer at a time fills."""
        return self.root / "work.duckdb"

    @property
    def lock_file(self) -> Path:
        """Held while somebody writes."""
        return self.root / "work.lock"

    @property
    def locks(self) -> Path:
        """Held while an underlying is run, and while schedules are served."""
        return self.root / "locks"

    @property
    def rest_file(self) -> Path:
        """Until when a venue asked not to be called."""
        return self.root / "venue_rest.json"

    @property
    def published(self) -> Path:
        """What readers see."""
        return self.root / "published"

    @property
    def published_file(self) -> Path:
        """The database that analysts open, read-only."""
        return self.published / "strikehouse.duckdb"

    @property
    def status_file(self) -> Path:
        """State of the last run."""
        return self.published / "status.json"

    @property
    def alerts_file(self) -> Path:
        """Alerts that were found beside a run, until the next evaluation takes them into the work file."""
        return self.published / "alerts.json"

    @property
    def schedule_file(self) -> Path:
        """What became of the runs that were due."""
        return self.published / "schedule.json"

    @property
    def charts(self) -> Path:
        """Pages that runs draw, one per underlying: those of its newest snapshot."""
        return self.root / "charts"

    @property
    def logs(self) -> Path:
        """A file of log lines per day."""
        return self.root / "logs"

    @property
    def temporary(self) -> Path:
        """Spill space of queries."""
        return self.root / "tmp"

    def prepare(self) -> None:
        """Create the folders; raises `DiskProblem` when that is not possible."""
        for folder in (self.runs, self.published, self.temporary):
            with disk_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)


def home_of(settings: Settings) -> Home:
    """The home that the settings name."""
    return Home(settings.home.expanduser().absolute())


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
