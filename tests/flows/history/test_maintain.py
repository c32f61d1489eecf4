"""Maintenance: what it moves and removes is there for every reader and every rebuild as before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from flows.history.maintain import COMPACTED, MOVED, NOT_VERIFIED, PUBLISHED, REMOVED, SWEPT, Maintenance, maintain
from tests.chains import SETTINGS
from tests.flows.conftest import Cli
from warehouse.archive.runs import run_ids
from warehouse.archive.tombstones import tombstones
from warehouse.home.paths import Home
from warehouse.load.fingerprints import table_hashes
from warehouse.publish.generations import generations, live_generation, live_manifest, publish
from warehouse.read.query import query
from warehouse.settings import StorageSettings
from warehouse.storage.work_file import open_work

pytestmark = pytest.mark.usefixtures("in_this_process")  # test_rebuild.py starts processes

LONG_AFTER = datetime(2027, 6, 1, tzinfo=UTC)  # the market of the double is that of November 2026
AFTER = {"raw_keep_days": 1, "native_days": 30, "compact_free_pct": 10.0, "generations_kept": 2}


@pytest.fixture
def maintained(archived: Home) -> Callable[..., Maintenance]:
    """Runs maintenance on a home with two sessions, long after; storage settings by name."""

    def run(*, now: datetime | None = None, dry_run: bool = False, **storage: object) -> Maintenance:
        settings = SETTINGS.model_copy(update={"storage": StorageSettings.model_validate({"threads": 1, **AFTER, **storage})})
        at = now or max(LONG_AFTER, datetime.now(UTC) + timedelta(days=400))  # the runs of the home are of today
        return maintain(archived, settings, now=at, dry_run=dry_run, progress=lambda _step: None)

    return run


def hashes(home: Home) -> dict[tuple[str, str], tuple[int, str]]:
    with open_work(home, SETTINGS, "test") as con:
        return table_hashes(con)


def bodies(home: Home) -> list[Path]:
    return sorted(home.raw.rglob("*.zst"))


def files(home: Home) -> dict[str, bytes]:
    return {path.relative_to(home.root).as_posix(): path.read_bytes() for path in home.root.rglob("*") if path.is_file()}


def kinds(done: Maintenance) -> list[str]:
    return list(dict.fromkeys(action.action for action in done.actions))


@pytest.mark.slow
def test_maintenance_moves_removes_compacts_publishes_and_a_second_time_has_nothing_to_do(
    archived: Home, maintained: Callable[..., Maintenance], cli: Cli
) -> None:
    before, shown = hashes(archived), query(archived, "from core.option_quotes order by all")
    assert len(bodies(archived)) > 4
    done = maintained()
    assert [kind for kind in kinds(done) if kind != COMPACTED] == [MOVED, REMOVED, PUBLISHED]
    assert [action.what for action in done.actions if action.action == MOVED] == ["SOL 202611"]
    assert done.generation == live_generation(archived) == 3
    assert hashes(archived) == before
    assert query(archived, "from core.option_quotes order by all").equals(shown)
    assert bodies(archived) == []
    assert tombstones(archived).keys() == set(run_ids(archived))
    assert sum(action.bytes or 0 for action in done.actions if action.action == REMOVED) > 0
    assert kinds(maintained()) == []

    said = cli("rebuild", "--verify")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"Equal, bit for bit: {len(before)} table partitions")
    assert said.out.endswith("2 snapshots cannot be rebuilt, because `maintain` removed their replies: their rows were kept.\n")


@pytest.mark.slow
def test_a_rebuild_keeps_what_it_cannot_build_and_rebuilds_the_rest(
    archived: Home, maintained: Callable[..., Maintenance], cli: Cli
) -> None:
    before = hashes(archived)
    runs, payloads = (query(archived, f"from {name} order by all") for name in ("ops.runs", "ops.payloads"))
    maintained()
    said = cli("rebuild")
    assert (said.code, said.err) == (0, ""), said
    assert said.out.startswith("Rebuilt 4 runs from raw/ and published generation")
    assert "2 snapshots cannot be rebuilt" in said.out
    assert hashes(archived) == before
    assert query(archived, "from ops.runs order by all").equals(runs)
    assert query(archived, "from ops.payloads order by all").equals(payloads)
    with open_work(archived, SETTINGS, "look") as con:
        assert con.execute("select count(*) from main.parquet_files").fetchall() == [(0,)], "native until the next maintenance"

    archived.work_file.unlink()
    assert cli("rebuild").code == 0, "without a work file the published one gives the rows"
    assert hashes(archived) == before

    for path in (archived.work_file, archived.published_file):
        path.unlink()
    said = cli("rebuild")
    assert said.code == 1, "then they are lost, and it says so"
    assert said.out.count("its rows are lost, and it cannot be rebuilt") == 2


@pytest.mark.slow
def test_a_part_of_the_sessions_is_rebuilt_and_what_has_no_replies_stays(
    archived: Home, maintained: Callable[..., Maintenance], cli: Cli
) -> None:
    before = hashes(archived)
    maintained(raw_keep_days=None)
    said = cli("rebuild", "--from", "2026-11-17", "--to", "2026-11-17")
    assert (said.code, hashes(archived)) == (0, before)
    maintained()
    said = cli("rebuild", "--from", "2026-11-17", "--to", "2026-11-17")
    assert (said.code, hashes(archived)) == (0, before)


@pytest.mark.slow
def test_replies_stay_when_their_rebuild_differs(archived: Home, maintained: Callable[..., Maintenance], cli: Cli) -> None:
    with open_work(archived, SETTINGS, "tamper") as con:
        ((snapshot_id, run_id),) = con.execute("select snapshot_id, run_id from core.snapshots order by all desc limit 1").fetchall()
        con.execute(f"update store.option_quotes set bid = bid + 0.01 where snapshot_id = '{snapshot_id}'")
    done = maintained()
    refused = [action.what for action in done.actions if action.action == NOT_VERIFIED]
    assert refused == [f"replies of run {run_id} stay: their rebuild differs from the warehouse"]
    assert tombstones(archived).keys() == set(run_ids(archived)) - {run_id}
    assert {path.parent for path in bodies(archived)} == {
        archived.raw / folder for (folder,) in query(archived, f"select distinct folder from ops.payloads where run_id = '{run_id}'").rows()
    }


@pytest.mark.slow
def test_replies_stay_when_they_are_damaged(archived: Home, maintained: Callable[..., Maintenance]) -> None:
    damaged = bodies(archived)[0]
    damaged.write_bytes(b"garbage")
    done = maintained()
    assert NOT_VERIFIED in kinds(done)
    assert tombstones(archived) == {}
    assert damaged in bodies(archived)
    assert MOVED in kinds(done), "the rest was done"


@pytest.mark.slow
def test_a_kill_between_tombstone_and_replies_is_made_good(archived: Home, maintained: Callable[..., Maintenance]) -> None:
    contents = {path: path.read_bytes() for path in bodies(archived)}
    maintained()
    for path in list(contents)[:2]:
        path.write_bytes(contents[path])
    done = maintained()
    assert kinds(done) == [REMOVED]
    assert sum(action.bytes or 0 for action in done.actions) == sum(len(contents[path]) for path in list(contents)[:2])
    assert bodies(archived) == []


def test_by_default_nothing_is_ever_removed_from_raw(archived: Home, maintained: Callable[..., Maintenance]) -> None:
    before = bodies(archived)
    assert REMOVED not in kinds(maintained(raw_keep_days=None))
    assert (bodies(archived), tombstones(archived)) == (before, {})


def test_a_dry_run_says_what_is_due_and_changes_nothing(archived: Home, maintained: Callable[..., Maintenance]) -> None:
    with open_work(archived, SETTINGS, "settle") as con:
        con.checkpoint()
    before = files(archived)
    due = maintained(dry_run=True)
    assert {MOVED, REMOVED} <= set(kinds(due))
    after = files(archived)
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} <= {"work.lock"}


@pytest.mark.slow
def test_parquet_files_go_when_the_last_generation_that_names_them_has_gone(
    archived: Home, maintained: Callable[..., Maintenance], cli: Cli
) -> None:
    maintained(raw_keep_days=None)
    named = {Path(path) for path in live_manifest(archived)["parquet"]}
    assert cli("rebuild").code == 0  # native again
    maintained(raw_keep_days=None, native_days=100_000)
    assert all(path.exists() for path in named), "an earlier generation, to which one may go back, stands on them"
    assert cli("publish", "--rollback").code == 0
    assert query(archived, "select count(*) from core.option_quotes").item() > 0
    for _ in range(2):
        with open_work(archived, SETTINGS, "publish") as con:
            publish(con, archived, SETTINGS, run_id=None, now=LONG_AFTER, code_version="0")
    done = maintained(raw_keep_days=None, native_days=100_000)
    for one in generations(archived):
        assert all(Path(path).exists() for path in one.manifest["parquet"])
    if SWEPT in kinds(done):
        assert not any(path.exists() for path in named)


def test_what_killed_processes_left_is_swept_and_a_rebuild_that_can_go_on_is_not(
    archived: Home, maintained: Callable[..., Maintenance]
) -> None:
    left = [archived.root / "work.compact.duckdb", archived.root / "work.maintain.duckdb.wal", archived.temporary / "spilled.block"]
    for path in left:
        path.write_bytes(b"left")
    going_on = archived.root / "work.rebuild.duckdb"
    going_on.write_bytes(b"")
    assert SWEPT in kinds(maintained(raw_keep_days=None))
    assert [path for path in left if path.exists()] == []
    assert going_on.exists()


def test_the_command_prints_what_it_did_and_the_space_that_it_won(archived: Home, cli: Cli) -> None:
    cli.set(STRIKEHOUSE_STORAGE__NATIVE_DAYS="100000", STRIKEHOUSE_STORAGE__COMPACT_FREE_PCT="100")
    said = cli("maintain", "--dry-run")
    assert (said.code, said.out, said.err) == (0, "Nothing is due.\n", "")
    said = cli("maintain")  # publishes, because these are other settings than those of the runs
    assert (said.code, "MB more, because earlier generations are kept" in said.out) == (0, True)
    (archived.root / "work.verify.duckdb").write_bytes(b"x" * 1_000_000)
    said = cli("maintain")
    assert (said.code, said.err) == (0, "")
    assert "what stopped processes left  1000000" in said.out
    assert "1.0 MB won; the published file has" in said.out
    summary = cli("maintain", "--json").json
    assert (summary["actions"], summary["bytes_won"], summary["dry_run"]) == ([], 0, False)
    assert summary["published_bytes"] == archived.published_file.stat().st_size


def test_moved_files_are_what_the_rows_were(archived: Home, maintained: Callable[..., Maintenance]) -> None:
    rows = query(archived, "from core.gamma_ladder order by all")
    maintained(raw_keep_days=None)
    file = next(path for path in live_manifest(archived)["parquet"] if "/gamma_ladder/" in path)
    assert pl.read_parquet(file).equals(rows)
