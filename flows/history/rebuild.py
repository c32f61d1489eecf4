"""Rebuild: every core and mart table again, from raw/ alone, beside the work file and then in its place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from flows.history.bulk_load import load_history
from flows.run.steps import PUBLICATION
from flows.run.walk import RunContext, RunState, walk
from models.errors import StructureCheckFailed, WarehouseError
from warehouse.archive.tombstones import tombstones
from warehouse.home.files import disk_errors, rename_durably
from warehouse.home.locks import writer_lock
from warehouse.home.paths import Home
from warehouse.load.fingerprints import differences, table_hashes, value_differences
from warehouse.load.retained_rows import MigratedRows, migrate_rows
from warehouse.load.runs import forget_sessions, loaded_runs
from warehouse.monitor.alerts import carry_over
from warehouse.settings import Settings
from warehouse.storage.transactions import mark_unpublished
from warehouse.storage.work_file import connect_work, is_other_settings, parquet_folder

Sessions = tuple[date | None, date | None]  # first and last session date, None for no bound
EVERY_SESSION: Sessions = (None, None)
REBUILD = "work.rebuild.duckdb"  # beside the work file; one that was stopped goes on


@dataclass(frozen=True)
class RebuildResult:
    """What a rebuild did."""

    runs: int
    tables_compared: int
    differences: list[str]
    generation: int | None
    kept: int = 0  # snapshots that cannot be rebuilt, because `maintain` removed their replies


def rebuild(
    home: Home, settings: Settings, *, sessions: Sessions, progress: Callable[[str], None], workers: Executor | None = None
) -> RebuildResult:
    """Build a new work file from raw/, put it in the place of the old one, publish. The old one stays until the new one is whole.

    A rebuild that was stopped goes on where it was. With `sessions`, only snapshots of these session dates are built again. `workers`: of
    `flows.history.workers`, when they are started already.
    """
    home.prepare()
    rebuild_file = home.root / (REBUILD if sessions == EVERY_SESSION else "work.partial.duckdb")
    with writer_lock(home, "rebuild", wait_s=settings.storage.lock_wait_s):
        if sessions != EVERY_SESSION:
            copy_of_work(home, settings, rebuild_file)
            with connect_work(home, settings, rebuild_file) as con:
                forget_sessions(con, *sessions, but=tombstones(home))
        _prepare_migration(home, settings)
        runs, migrated = _build(home, settings, rebuild_file, progress, workers)
        with disk_errors(home.work_file):
            _remove(home.root / "work.duckdb.wal")
        rename_durably(rebuild_file, home.work_file)
        with connect_work(home, settings, home.work_file) as con:
            mark_unpublished(con)  # also where the rows are the same
            state = RunState(connection=con)
            walk(PUBLICATION, RunContext(home, settings, None), state)
    if state.hold_reason is not None:
        raise StructureCheckFailed(state.hold_reason)
    return RebuildResult(runs, 0, list(migrated.problems), state.generation, migrated.snapshots)


def verify(
    home: Home, settings: Settings, *, tolerance: float | None, progress: Callable[[str], None], workers: Executor | None = None
) -> RebuildResult:
    """Build again beside the work file and compare, change nothing: hashes of every table, or values within a relative tolerance."""
    home.prepare()
    rebuild_file = home.root / "work.verify.duckdb"
    _remove(rebuild_file)
    # its Parquet files go with it, so they are not among those that stay
    apart = settings.model_copy(update={"storage": settings.storage.model_copy(update={"data_path": home.temporary / "verify"})})
    with writer_lock(home, "verify", wait_s=settings.storage.lock_wait_s):
        try:
            _prepare_migration(home, settings)
            runs, migrated = _build(home, apart, rebuild_file, progress, workers)
            with connect_work(home, settings, home.work_file) as con:
                ours = table_hashes(con)
                if tolerance is not None:
                    mismatches = [*value_differences(con, rebuild_file, tolerance), *migrated.problems]
                    return RebuildResult(runs, len(ours), mismatches, None, migrated.snapshots)
            with connect_work(home, apart, rebuild_file) as con:
                theirs = table_hashes(con)
        finally:
            _remove(rebuild_file)
            shutil.rmtree(parquet_folder(home, apart), ignore_errors=True)
    return RebuildResult(runs, len(ours), [*differences(ours, theirs), *migrated.problems], None, migrated.snapshots)


def _prepare_migration(home: Home, settings: Settings) -> None:
    """Rows whose replies are gone are taken over from the work file: it must be of this version, and without a log."""
    if tombstones(home) and home.work_file.exists():
        with connect_work(home, settings, home.work_file) as con:
            con.checkpoint()


def _build(
    home: Home, settings: Settings, work_file: Path, progress: Callable[[str], None], workers: Executor | None
) -> tuple[int, MigratedRows]:
    """Fill a work file beside the live one, or go on with one that an earlier rebuild left with the same settings."""
    with connect_work(home, settings, work_file, for_readers=False) as con:
        migrated = migrate_rows(con, home)
        if is_other_settings(con, settings, but=tombstones(home)):
            raise WarehouseError(f"{work_file} was begun with other settings. Delete it and rebuild again, all sessions at once.")
        load_history(con, home, settings, now=datetime.now(UTC), progress=progress, workers=workers)
        if workers is not None:
            workers.shutdown(wait=False)  # they have done all there is: they end while the rest is done
        runs = len(loaded_runs(con))
        carry_over(con, home)
        con.checkpoint()
    if not runs and not migrated.problems:  # what is lost is told in the result
        raise WarehouseError(f"{home.raw} holds no run: there is nothing to rebuild from. Run `strikehouse snapshot` first.")
    return runs, migrated


def copy_of_work(home: Home, settings: Settings, target: Path) -> None:
    """A copy of the work file, for a process that holds the writer lock."""
    _remove(target)
    with connect_work(home, settings, home.work_file) as con:
        con.checkpoint()
    with disk_errors(target):
        shutil.copyfile(home.work_file, target)


def _remove(file: Path) -> None:
    for one in (file, file.with_name(file.name + ".wal")):
        with suppress(FileNotFoundError):
            one.unlink()
