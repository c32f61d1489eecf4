"""Import: files archived, loaded like every archived run, published. It may be stopped at any time and goes on when run again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from flows.history.bulk_load import load_history
from flows.history.imports.archive import Reading, archive_files, known_files
from flows.history.imports.files import find_files
from flows.run.archived_file import failure_key
from flows.run.exit_codes import exit_code
from flows.run.replay import pending_runs
from flows.run.steps import PUBLICATION
from flows.run.walk import RunContext, RunState, walk
from models.snapshot import OK, REJECTED
from warehouse.archive.runs import read_run
from warehouse.catalog.checks import all_checks
from warehouse.home.paths import Home
from warehouse.load.runs import venues_of_runs
from warehouse.settings import Settings
from warehouse.storage.work_file import open_work

ROUND_FILES = 500  # after so many the work file is free for a moment: a snapshot that waits gets its turn


@dataclass
class ImportResult:
    """What an import did."""

    files: int
    loaded: int = 0
    resumed: int = 0  # files that a stopped import had archived and not loaded
    settlements: int = 0  # settlement prices in the files
    known: list[str] = field(default_factory=list)  # files loaded before, or the same under another name
    failures: dict[str, str] = field(default_factory=dict)  # file → why it cannot be read
    warnings: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)  # snapshot_id, venue → what its parser says
    venues: pl.DataFrame = field(default_factory=pl.DataFrame)  # rows of core.snapshot_venues that were loaded
    generation: int | None = None
    hold_reason: str | None = None

    @property
    def exit_code(self) -> int:
        """See `flows.run.exit_codes`."""
        checks = [check.name for check in all_checks()]
        statuses = list(zip(self.venues["status"], self.venues["error"], strict=True)) if self.venues.height else []
        aside = [error for status, error in statuses if status == REJECTED and error in checks]
        usable = sum(status == OK for status, _ in statuses)
        return exit_code(
            usable=bool(usable or self.known or self.settlements),
            failed=bool(self.failures) or usable + len(aside) < len(statuses),
            set_aside=bool(aside),
            unpublished=bool(self.hold_reason),
        )


def import_files(
    home: Home,
    settings: Settings,
    reading: Reading,
    paths: Sequence[Path],
    *,
    clock: Callable[[], datetime],
    progress: Callable[[int, int], None],
    workers: Executor | None = None,
) -> ImportResult:
    """Import files and folders; `progress` hears how many of how many files are settled. `workers`: see `load_history`.

    Raises `UsageError` when there is nothing to import, `WorkFileLocked` when another process writes for too long.
    """
    files = find_files(paths, reading.importer.suffixes)
    home.prepare()
    result, settled = ImportResult(len(files)), 0

    def settle(count: int = 1) -> None:
        nonlocal settled
        settled += count
        progress(settled, len(files))

    runs = _load(home, settings, result, clock(), workers)
    result.resumed, result.loaded = result.loaded, 0
    with open_work(home, settings, "import", for_readers=False) as con:
        known = known_files(con, home, reading)
    for start in range(0, len(files), ROUND_FILES):
        archived = archive_files(home, settings, reading, files[start : start + ROUND_FILES], known, clock=clock, settled=settle)
        result.known += archived.known
        result.failures |= archived.failures
        runs += _load(home, settings, result, clock(), workers, settle)
    with open_work(home, settings, "import") as con:
        result.venues = venues_of_runs(con, runs)
        state = RunState(connection=con)
        walk(PUBLICATION, RunContext(home, settings, runs[-1] if runs else None), state)
        result.generation, result.hold_reason = state.generation, state.hold_reason
    return result


def _load(
    home: Home,
    settings: Settings,
    result: ImportResult,
    now: datetime,
    workers: Executor | None = None,
    settle: Callable[[int], None] = lambda _count: None,
) -> list[str]:
    """Load what is archived and not loaded, into the work file and the result; returns the runs that are imports."""
    with open_work(home, settings, "import", for_readers=False) as con:
        manifests = {run_id: read_run(home, run_id) for run_id in pending_runs(con, home)}
        files = {run_id: manifest["files"] for run_id, manifest in manifests.items() if manifest.get("origin") == "import"}
        reports = load_history(con, home, settings, now=now, progress=lambda run_id: settle(len(files.get(run_id, ()))), workers=workers)
    names = {failure_key(manifests[run_id]["asks"][0]["venue"], file["name"]): file["name"] for run_id in files for file in files[run_id]}
    failures = {names[report.file]: report.error for report in reports if report.file and report.error}
    result.failures |= failures
    result.loaded += sum(len(one) for one in files.values()) - len(failures)
    for report in reports:
        if report.run_id in files:
            result.warnings |= report.warnings
            result.settlements += report.settlements
    return list(files)
