"""Maintenance: old rows to Parquet, replies that are no longer needed, the space of both; every step may be killed and done again.

In this order, under the writer lock: what killed processes left, months to Parquet, replies beyond their time, compaction, publication,
Parquet files that nothing stands on any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from flows.history.bulk_load import load_history
from flows.history.rebuild import REBUILD, copy_of_work
from models.errors import ArchiveDamaged, WarehouseError
from warehouse.archive.runs import read_run, run_ids
from warehouse.archive.tombstones import Hashes, bury, replies, tombstones
from warehouse.home.files import remove_leftovers
from warehouse.home.locks import writer_lock
from warehouse.home.paths import Home
from warehouse.home.version import code_version
from warehouse.load.fingerprints import table_hashes
from warehouse.load.runs import forget_runs, loaded_runs, venues_of_runs
from warehouse.load.snapshot_rows import has_snapshots
from warehouse.publish.generations import generations, publish, repair_manifest
from warehouse.publish.status import note_generation
from warehouse.settings import Settings
from warehouse.storage import cold_partitions
from warehouse.storage.compaction import compact, free_pct, remove_database
from warehouse.storage.transactions import is_unpublished
from warehouse.storage.work_file import connect_work, native_from, parquet_folder

MOVED, REMOVED, NOT_VERIFIED, COMPACTED, PUBLISHED, SWEPT = "moved", "removed", "not verified", "compacted", "published", "swept"
TEMPORARY_FILES = (
    "work.verify.duckdb",
    "work.partial.duckdb",
    "work.compact.duckdb",
    "work.maintain.duckdb",
)  # flows.history.rebuild.REBUILD goes on


@dataclass(frozen=True)
class Action:
    """One thing that was done, or that is due."""

    action: str
    what: str
    bytes: int | None  # that it freed; of `moved`, the size of the Parquet files; None before it is done


@dataclass(frozen=True)
class Maintenance:
    """What maintenance did, or would do."""

    actions: tuple[Action, ...]
    bytes_before: int  # of the whole home and the Parquet folder, links counted once
    bytes_after: int
    published_bytes: int | None
    generation: int | None  # None: nothing new was published


def maintain(home: Home, settings: Settings, *, now: datetime, dry_run: bool, progress: Callable[[str], None]) -> Maintenance:
    """Do what is due; raises `WorkFileLocked`, `StructureCheckFailed`, `DiskProblem` or `WarehouseError`."""
    home.prepare()
    folder = parquet_folder(home, settings)
    before = _size(home, folder)
    actions: list[Action] = []
    generation = None
    with writer_lock(home, "maintain", wait_s=settings.storage.lock_wait_s):
        steps = _due(home, settings, folder, now) if dry_run else _done(home, settings, folder, now, progress)
        for action in steps:
            actions.append(action)
            progress(f"{action.action} {action.what}")
            if action.action == PUBLISHED:
                generation = int(action.what.split()[-1])
    published = home.published_file.stat().st_size if home.published_file.exists() else None
    return Maintenance(tuple(actions), before, _size(home, folder), published, generation)


def _done(home: Home, settings: Settings, folder: Path, now: datetime, progress: Callable[[str], None]) -> Iterator[Action]:
    freed = _sweep(home)
    if freed:
        yield Action(SWEPT, "what stopped processes left", freed)
    with connect_work(home, settings, home.work_file) as con:
        for month in cold_partitions.due_months(con, native_from(settings, now).date()):
            yield Action(MOVED, f"{month.underlying} {month.month}", cold_partitions.move(con, month))
        con.checkpoint()
    yield from _remove_replies(home, settings, now, progress)
    with connect_work(home, settings, home.work_file) as con:
        free = free_pct(con)
    if free >= settings.storage.compact_free_pct:
        yield Action(COMPACTED, f"work.duckdb, {free:.0f} % of it free", compact(home, settings))
    with connect_work(home, settings, home.work_file) as con:
        repair_manifest(home)
        if is_unpublished(con) and has_snapshots(con):
            number = publish(con, home, settings, run_id=None, now=now, code_version=code_version())
            note_generation(home, number)
            yield Action(PUBLISHED, f"generation {number}", None)
        used = _used_files(con, home, settings)
    freed = sum(_unlink(path) for path in _unused_files(folder, used))
    if freed:
        yield Action(SWEPT, "Parquet files of earlier generations", freed)


def _due(home: Home, settings: Settings, folder: Path, now: datetime) -> Iterator[Action]:
    """The same without doing it. Whether replies can be removed only their rebuild shows."""
    with connect_work(home, settings, home.work_file) as con:
        for month in cold_partitions.due_months(con, native_from(settings, now).date()):
            yield Action(MOVED, f"{month.underlying} {month.month}", None)
        for run_id in _removable(con, home, settings, now):
            yield Action(
                REMOVED, f"replies of run {run_id}, if their rebuild is equal", sum(file.stat().st_size for file in replies(home, run_id))
            )
        free = free_pct(con)
        if free >= settings.storage.compact_free_pct:
            yield Action(COMPACTED, f"work.duckdb, {free:.0f} % of it free", None)
        unused = _unused_files(folder, _used_files(con, home, settings))
    if unused:
        yield Action(SWEPT, "Parquet files of earlier generations", sum(path.stat().st_size for path in unused))


def _sweep(home: Home) -> int:
    """Remove what killed processes left: databases beside the work file, temporary files, spilled rows. Nobody else writes now."""
    freed = sum(remove_database(home.root / name) for name in TEMPORARY_FILES)
    left = [path for path in home.temporary.rglob("*") if path.is_file()]
    freed += sum(_unlink(path) for path in left)
    before = _temporary_bytes(home)
    folders = {home.root, home.published, home.published / "generations", *(path.parent for path in home.raw.rglob(".*.tmp"))}
    for folder in sorted(folders):
        remove_leftovers(folder)
    return freed + before - _temporary_bytes(home)


def _temporary_bytes(home: Home) -> int:
    return sum(path.stat().st_size for folder in (home.raw, home.published) for path in folder.rglob(".*.tmp") if path.stat().st_nlink == 1)


def _removable(con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, now: datetime) -> list[str]:
    """Loaded runs of days beyond `raw_keep_days`, none of whose snapshots another run has a part in that is to stay."""
    if settings.storage.raw_keep_days is None:
        return []
    last = (now.astimezone(UTC) - timedelta(days=settings.storage.raw_keep_days)).date()
    known = loaded_runs(con) - tombstones(home).keys()
    old = {
        run_id for run_id in run_ids(home) if run_id in known and datetime.fromisoformat(read_run(home, run_id)["started_at"]).date() < last
    }
    return sorted(old - _bound(old, dict(_parts(con)), old))


def _parts(con: duckdb.DuckDBPyConnection) -> list[tuple[str, set[str]]]:
    """Snapshot → the runs that have a part in it."""
    parts: dict[str, set[str]] = {}
    venues = venues_of_runs(con, sorted(loaded_runs(con)))
    for snapshot_id, run_id in venues.select("snapshot_id", "run_id").iter_rows():
        parts.setdefault(snapshot_id, set()).add(run_id)
    return sorted(parts.items())


def _bound(runs: set[str], parts: dict[str, set[str]], free: set[str]) -> set[str]:
    """Of these runs, those that share a snapshot, directly or through others, with a run that is not free to go."""
    bound: set[str] = set()
    while True:
        pinned = {run_id for members in parts.values() if members - free | members & bound for run_id in members & runs}
        if pinned <= bound:
            return bound
        bound |= pinned


def _remove_replies(home: Home, settings: Settings, now: datetime, progress: Callable[[str], None]) -> Iterator[Action]:
    """Rebuild what is to lose its replies, from them, in a copy of the work file; what comes out equal gets its tombstones."""
    for run_id in sorted(tombstones(home)):  # killed between a tombstone and the last of its replies
        freed = bury(home, run_id, {}, said={})
        if freed:
            yield Action(REMOVED, f"replies of run {run_id}", freed)
    with connect_work(home, settings, home.work_file) as con:
        due = _removable(con, home, settings, now)
        if not due:
            return
        parts = {snapshot_id: members for snapshot_id, members in _parts(con) if members & set(due)}
        ours = table_hashes(con, parts)
    try:
        theirs = _rebuilt(home, settings, due, list(parts), now, progress)
    except ArchiveDamaged as error:
        yield Action(NOT_VERIFIED, f"replies of {len(due)} runs stay. {error}", 0)
        return
    unequal = {
        snapshot_id for name, snapshot_id in ours.keys() | theirs.keys() if ours.get((name, snapshot_id)) != theirs.get((name, snapshot_id))
    }
    wrong = {run_id for snapshot_id in unequal for run_id in parts[snapshot_id]}
    stay = _bound(set(due), parts, set(due) - wrong)
    said = {"verified_at": now.isoformat(timespec="seconds"), "code_version": code_version(), "settings_hash": settings.numbers_hash}
    for run_id in due:
        if run_id in stay:
            yield Action(NOT_VERIFIED, f"replies of run {run_id} stay: their rebuild differs from the warehouse", 0)
            continue
        mine = {snapshot_id for snapshot_id, members in parts.items() if run_id in members}
        verified: Hashes = {key: value for key, value in ours.items() if key[1] in mine}
        yield Action(REMOVED, f"replies of run {run_id}", bury(home, run_id, verified, said=said))


def _rebuilt(
    home: Home, settings: Settings, run_ids: list[str], snapshots: list[str], now: datetime, progress: Callable[[str], None]
) -> Hashes:
    """Hashes of snapshots in a copy of the work file that has forgotten them and has built them again from raw/."""
    rebuild_file = home.root / "work.maintain.duckdb"
    try:
        copy_of_work(home, settings, rebuild_file)
        with connect_work(home, settings, rebuild_file) as con:
            forget_runs(con, run_ids)
            load_history(con, home, settings, now=now, progress=progress)
            return table_hashes(con, snapshots)
    finally:
        remove_database(rebuild_file)


def _used_files(con: duckdb.DuckDBPyConnection, home: Home, settings: Settings) -> set[str] | None:
    """Paths below the Parquet folder that the work file, a kept generation or a rebuild that was stopped and will go on stands on.

    None where such a rebuild left a file that cannot be read: nobody knows then what it stands on.
    """
    used = [*cold_partitions.all_files(con), *(path for one in generations(home) for path in one.manifest.get("parquet", []))]
    stopped = home.root / REBUILD
    if stopped.exists():
        try:
            with connect_work(home, settings, stopped) as begun:
                used += cold_partitions.all_files(begun)
        except WarehouseError:  # the next rebuild says so
            return None
    return {"/".join(Path(path).parts[-2:]) for path in used}


def _unused_files(folder: Path, used: set[str] | None) -> list[Path]:
    return [] if used is None else list(cold_partitions.unused_files(folder, used))


def _unlink(path: Path) -> int:
    size = path.stat().st_size
    path.unlink()
    return size


def _size(home: Home, folder: Path) -> int:
    """Bytes of all files of the home and the Parquet folder; what has two names counts once."""
    sizes = {}
    for root in (home.root, folder):
        for path in root.rglob("*"):
            if path.is_file():
                about = path.stat()
                sizes[about.st_dev, about.st_ino] = about.st_size
    return sum(sizes.values())
