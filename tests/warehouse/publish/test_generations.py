"""Publication: generations that appear whole, are kept, pruned and gone back to, and are held back when their structure is broken."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from datetime import datetime

import duckdb
import pytest

from models.contracts.registry import TABLES
from models.errors import PublicationMissing, PublicationUnreadable, StructureCheckFailed, UsageError, WorkFileLocked
from tests.chains import SETTINGS
from warehouse.home.paths import Home
from warehouse.publish.generations import generations, live_generation, live_manifest, publish, repair_manifest, roll_back
from warehouse.read.query import query, show_table
from warehouse.settings import StorageSettings
from warehouse.storage.transactions import is_unpublished
from warehouse.storage.work_file import open_work

FEW = SETTINGS.model_copy(update={"storage": StorageSettings(threads=1, generations_kept=2)})


@pytest.fixture
def publish_now(now: datetime) -> Callable[..., int]:
    """Publishes the work file of a home, after an optional statement; gives the generation."""

    def run(home: Home, statement: str = "", *, settings: object = SETTINGS) -> int:
        with open_work(home, SETTINGS, "publish") as con:
            if statement:
                con.execute(statement)
            return publish(con, home, settings, run_id="run-7", now=now, code_version="1.2.3")  # type: ignore[arg-type]

    return run


def live_spot(home: Home) -> float:
    return float(query(home, "select spot from core.snapshots where underlying = 'IDX'").item())


def numbers(home: Home) -> list[int]:
    return [generation.number for generation in generations(home)]


def test_a_publication_has_a_manifest_with_its_rows_and_hash(stocked: Home, publish_now: Callable[..., int], now: datetime) -> None:
    assert publish_now(stocked) == 1
    manifest = json.loads((stocked.published / "manifest.json").read_text())
    assert manifest == live_manifest(stocked)
    assert (manifest["generation"], manifest["run_id"], manifest["code_version"]) == (1, "run-7", "1.2.3")
    assert datetime.fromisoformat(manifest["published_at"]) == now
    content = stocked.published_file.read_bytes()
    assert (manifest["bytes"], manifest["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert manifest["rows"].keys() == TABLES.keys()
    for name, rows in manifest["rows"].items():
        assert query(stocked, f"select count(*) from {name}").item() == rows, name
    assert manifest["rows"]["core.snapshots"] == 4
    assert show_table(stocked, "ops.publication").row(0) == (1, now.replace(tzinfo=None), "run-7", "1.2.3", SETTINGS.numbers_hash)


def test_the_published_file_opens_read_only_in_older_duckdb_too_and_cannot_be_written(
    stocked: Home, publish_now: Callable[..., int]
) -> None:
    publish_now(stocked)
    assert stat.S_IMODE(stocked.published_file.stat().st_mode) == 0o444
    with duckdb.connect(str(stocked.published_file), read_only=True) as con:
        ((tags,),) = con.execute("select tags from duckdb_databases() where database_name = 'strikehouse'").fetchall()
        assert tags["storage_version"].startswith("v1.2.0"), "what BI drivers carry"
        with pytest.raises(duckdb.Error, match="read-only"):
            con.execute("delete from core.snapshots")


def test_the_live_file_is_the_newest_generation_and_takes_no_space_of_its_own(stocked: Home, publish_now: Callable[..., int]) -> None:
    publish_now(stocked)
    assert publish_now(stocked) == 2
    assert stocked.published_file.samefile(stocked.published / "generations" / "000002.duckdb")
    assert [(one.number, one.is_live) for one in generations(stocked)] == [(1, False), (2, True)]
    assert [path.name for path in stocked.published.rglob("*.tmp")] == []


def test_old_generations_are_pruned(stocked: Home, publish_now: Callable[..., int]) -> None:
    for expected in ([1], [1, 2], [2, 3], [3, 4]):
        publish_now(stocked, settings=FEW)
        assert numbers(stocked) == expected
    assert sorted(path.name for path in (stocked.published / "generations").iterdir()) == [
        "000003.duckdb", "000003.json", "000004.duckdb", "000004.json",
    ]  # fmt: skip


def test_a_publication_removes_what_killed_ones_left(stocked: Home, publish_now: Callable[..., int]) -> None:
    publish_now(stocked, settings=FEW)
    folder = stocked.published / "generations"
    with subprocess.Popen(["true"]) as gone:
        pass
    left = [folder / f".000001.json.{gone.pid}.tmp", stocked.published / f".strikehouse.duckdb.{gone.pid}.tmp"]
    left += [stocked.published / f".status.json.{gone.pid}.tmp", stocked.root / f".venue_rest.json.{gone.pid}.tmp"]
    os.link(folder / "000001.duckdb", left[1])  # killed between link and rename: it would hold the space of a pruned generation
    for file in left:
        file.touch()
    (folder / "000000.json").write_text("{}")  # killed in pruning: the file is gone, its manifest not yet
    written = stocked.published / f".status.json.{os.getpid()}.tmp"
    written.touch()
    publish_now(stocked, settings=FEW)
    assert [file.name for file in left if file.exists()] == []
    assert sorted(path.name for path in folder.iterdir()) == ["000001.duckdb", "000001.json", "000002.duckdb", "000002.json"]
    assert written.exists(), "its process still runs"
    assert (folder / "000001.duckdb").stat().st_nlink == 1


@pytest.mark.parametrize("left", [".000002.duckdb.tmp", "000002.duckdb"])
def test_a_publication_killed_before_its_manifest_is_made_again_under_the_same_number(
    stocked: Home, publish_now: Callable[..., int], left: str
) -> None:
    publish_now(stocked)
    (stocked.published / "generations" / left).write_bytes(b"half")
    assert numbers(stocked) == [1]
    assert live_spot(stocked) == 100
    assert publish_now(stocked, "update core.snapshots set spot = 55 where underlying = 'IDX'") == 2
    assert (numbers(stocked), live_spot(stocked)) == ([1, 2], 55)
    assert [path.name for path in stocked.published.rglob("*.tmp")] == []


def test_rolling_back_makes_the_generation_before_live_again(stocked: Home, publish_now: Callable[..., int]) -> None:
    publish_now(stocked)
    publish_now(stocked, "update core.snapshots set spot = 55 where underlying = 'IDX'")
    publish_now(stocked, "update core.snapshots set spot = 66 where underlying = 'IDX'")
    assert live_spot(stocked) == 66
    assert (roll_back(stocked), live_spot(stocked), live_manifest(stocked)["generation"]) == (2, 55, 2)
    assert (roll_back(stocked), live_spot(stocked)) == (1, 100)
    with pytest.raises(UsageError, match=r"no generation before 1.*kept are 1, 2, 3"):
        roll_back(stocked)
    assert live_spot(stocked) == 100


def test_after_a_rollback_the_next_publication_has_a_new_number_and_keeps_what_was_live(
    stocked: Home, publish_now: Callable[..., int]
) -> None:
    publish_now(stocked)
    publish_now(stocked)
    roll_back(stocked)
    assert publish_now(stocked, settings=FEW) == 3
    assert numbers(stocked) == [2, 3]
    roll_back(stocked)
    roll_forward = publish_now(stocked, settings=FEW)
    assert (roll_forward, numbers(stocked)) == (4, [3, 4])


def test_after_a_kill_between_link_and_manifest_the_link_tells_which_generation_is_live(
    stocked: Home, publish_now: Callable[..., int]
) -> None:
    publish_now(stocked)
    before = (stocked.published / "manifest.json").read_bytes()
    publish_now(stocked, "update core.snapshots set spot = 55 where underlying = 'IDX'")
    (stocked.published / "manifest.json").write_bytes(before)
    assert (live_generation(stocked), live_manifest(stocked)["generation"], live_spot(stocked)) == (2, 2, 55)
    repair_manifest(stocked)
    assert json.loads((stocked.published / "manifest.json").read_bytes())["generation"] == 2
    assert roll_back(stocked) == 1


def test_a_rollback_waits_for_a_writer(stocked: Home, publish_now: Callable[..., int]) -> None:
    publish_now(stocked)
    publish_now(stocked)
    with open_work(stocked, SETTINGS, "a long run"), pytest.raises(WorkFileLocked, match="a long run"):
        roll_back(stocked)
    assert live_generation(stocked) == 2


def test_nothing_published_is_said_so(stocked: Home) -> None:
    assert (generations(stocked), live_manifest(stocked)) == ([], {})
    for call in (lambda: roll_back(stocked), lambda: query(stocked, "select 1")):
        with pytest.raises(PublicationMissing, match="nothing is published yet"):
            call()


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        ("insert into core.snapshots from core.snapshots limit 1", "repeated_keys"),
        ("insert into store.max_pain from store.max_pain limit 1", "repeated_keys"),
        ("delete from core.snapshots where underlying = 'IDX'", "marts_without_snapshot"),
        ("delete from store.gex_levels where underlying = 'IDX'", "marts_without_snapshot"),
        ("delete from store.gex_levels", "marts_without_snapshot"),
    ],
)
def test_a_broken_structure_is_not_published_and_readers_keep_the_last_good_file(
    stocked: Home, publish_now: Callable[..., int], damage: str, check: str
) -> None:
    publish_now(stocked)
    before = stocked.published_file.read_bytes()
    with pytest.raises(StructureCheckFailed, match=rf"Readers keep the last good file, because of {check} \(\d+ rows"):
        publish_now(stocked, damage)
    assert stocked.published_file.read_bytes() == before
    assert numbers(stocked) == [1]


def test_a_damaged_manifest_is_repaired_by_publishing(stocked: Home, publish_now: Callable[..., int]) -> None:
    publish_now(stocked)
    (stocked.published / "manifest.json").write_bytes(b"{")
    assert live_manifest(stocked)["generation"] == 1, "the link says so"
    shutil.copyfile(stocked.published_file, stocked.root / "copy")
    (stocked.root / "copy").replace(stocked.published_file)
    with pytest.raises(PublicationUnreadable, match=r"manifest\.json.*strikehouse publish"):
        live_manifest(stocked)
    assert live_spot(stocked) == 100, "readers need no manifest"
    assert publish_now(stocked) == 2
    assert live_manifest(stocked)["generation"] == 2


def test_a_generation_whose_manifest_is_damaged_is_not_offered(stocked: Home, publish_now: Callable[..., int]) -> None:
    publish_now(stocked)
    publish_now(stocked)
    (stocked.published / "generations" / "000001.json").write_bytes(b"{")
    assert numbers(stocked) == [2]
    assert publish_now(stocked) == 3


def test_an_unreadable_published_file_says_what_to_do_and_rollback_heals_it(stocked: Home, publish_now: Callable[..., int]) -> None:
    publish_now(stocked)
    publish_now(stocked)
    stocked.published_file.unlink()
    stocked.published_file.write_bytes(b"garbage" * 10_000)
    with pytest.raises(PublicationUnreadable, match="--rollback"):
        query(stocked, "select 1")
    roll_back(stocked)
    assert live_spot(stocked) == 100


def test_publishing_says_what_readers_see_is_up_to_date(stocked: Home, publish_now: Callable[..., int]) -> None:
    with open_work(stocked, SETTINGS, "look") as con:
        assert is_unpublished(con)
    publish_now(stocked)
    with open_work(stocked, SETTINGS, "look") as con:
        assert not is_unpublished(con)


def test_a_home_can_be_moved(stocked: Home, publish_now: Callable[..., int]) -> None:
    publish_now(stocked)
    moved = Home(stocked.root.with_name("moved"))
    shutil.move(stocked.root, moved.root)
    assert live_spot(moved) == 100
    assert publish_now(moved) == 2
