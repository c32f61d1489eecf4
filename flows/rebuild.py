"""Rebuild: every core and mart table again, from raw/ alone, beside the work file and then in its place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows.partitions import load_history
from flows.version import code_version
from models.errors import WarehouseError
from warehouse.fingerprints import differences, table_hashes
from warehouse.home import Home, disk_errors
from warehouse.publish import publish
from warehouse.runs import loaded_runs
from warehouse.settings import Settings
from warehouse.status import write_status
from warehouse.work import is_other_settings, open_work


@dataclass(frozen=True)
class RebuildResult:
    """What a rebuild did."""

    runs: int
    tables_compared: int
    differences: list[str]
    generation: int | None


def rebuild(home: Home, settings: Settings, *, progress: Callable[[str], None]) -> RebuildResult:
    """Build a new work file from raw/, put it in the place of the old one, publish. The old one stays until the new one is whole."""
    beside = home.root / "work.rebuild.duckdb"
    runs = _build(home, settings, beside, progress)
    with disk_errors(home.work_file):
        _remove(home.root / "work.duckdb.wal")
        beside.replace(home.work_file)
    with open_work(home, settings, "publish after rebuild") as con:
        now = datetime.now(UTC)
        generation = publish(con, home, settings, run_id=None, now=now, code_version=code_version())
        write_status(con, home, settings, run_id=None, now=now, generation=generation, held=None)
    return RebuildResult(runs, 0, [], generation)


def verify(home: Home, settings: Settings, *, progress: Callable[[str], None]) -> RebuildResult:
    """Build again beside the work file, compare the hashes of every table, change nothing."""
    beside = home.root / "work.verify.duckdb"
    _remove(beside)
    with open_work(home, settings, "hash") as con:
        ours = table_hashes(con)
    try:
        runs = _build(home, settings, beside, progress)
        with open_work(home, settings, "hash", work_file=beside) as con:
            theirs = table_hashes(con)
    finally:
        _remove(beside)
    return RebuildResult(runs, len(ours), differences(ours, theirs), None)


def _build(home: Home, settings: Settings, work_file: Path, progress: Callable[[str], None]) -> int:
    """Fill a work file beside the live one, or go on with one that an earlier rebuild left with the same settings."""
    with open_work(home, settings, f"rebuild into {work_file.name}", work_file=work_file) as con:
        if is_other_settings(con, settings):
            raise WarehouseError(f"{work_file} was begun with other settings. Delete it and rebuild again.")
        load_history(con, home, settings, progress=progress)
        runs = len(loaded_runs(con))
        con.checkpoint()
    if not runs:
        raise WarehouseError(f"{home.raw} holds no run: there is nothing to rebuild from. Run `strikehouse snapshot` first.")
    return runs


def _remove(file: Path) -> None:
    for one in (file, file.with_name(file.name + ".wal")):
        with suppress(FileNotFoundError):
            one.unlink()
