"""Where data lives: the folders and files of one home."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from warehouse.home.files import disk_errors
from warehouse.settings import Settings


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
