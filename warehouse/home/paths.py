"""The folders and files of one home."""

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
        """The database to which one process at a time writes."""
        return self.root / "work.duckdb"

    @property
    def lock_file(self) -> Path:
        """Lock of the writer."""
        return self.root / "work.lock"

    @property
    def locks(self) -> Path:
        """Locks of runs per underlying, and of serving schedules."""
        return self.root / "locks"

    @property
    def rest_file(self) -> Path:
        """Until when a venue asked not to be called."""
        return self.root / "venue_rest.json"

    @property
    def published(self) -> Path:
        """Files for readers."""
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
        """Outbox of alerts raised during a run, until the next evaluation flushes it into the work file."""
        return self.published / "alerts.json"

    @property
    def schedule_file(self) -> Path:
        """Outcomes of scheduled runs."""
        return self.published / "schedule.json"

    @property
    def charts(self) -> Path:
        """Pages that runs draw: one per underlying, of its newest snapshot."""
        return self.root / "charts"

    @property
    def logs(self) -> Path:
        """One log file per day."""
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
    """The home in the settings."""
    return Home(settings.home.expanduser().absolute())
