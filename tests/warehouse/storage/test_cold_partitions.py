"""Old rows in Parquet: the same rows for every reader, in files that are never changed and reached by nothing but reading."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from models.contracts.registry import TABLES
from models.errors import PublicationUnreadable, QueryFailed, WarehouseError
from models.market.calendar import TradingCalendar
from tests.chains import SETTINGS, run_rows
from tests.small_warehouse import FIRST, LAST, coin, snapshot_id
from warehouse.catalog import ddl
from warehouse.home.paths import Home
from warehouse.load.fingerprints import table_hashes
from warehouse.load.merge import load_snapshot
from warehouse.publish.generations import live_manifest, publish
from warehouse.read.query import open_published, query, query_on
from warehouse.settings import StorageSettings
from warehouse.storage import cold_partitions
from warehouse.storage.cold_partitions import Month
from warehouse.storage.compaction import compact, free_pct
from warehouse.storage.work_file import open_work

APRIL = date(2026, 4, 1)
MARCH = Month("COIN", "202603")


def move_all(con: duckdb.DuckDBPyConnection) -> list[Month]:
    months = cold_partitions.due_months(con, APRIL)
    for month in months:
        cold_partitions.move(con, month)
    return months


def all_rows(con: duckdb.DuckDBPyConnection) -> dict[str, pl.DataFrame]:
    return {name: con.execute(f"from {name} order by all").pl() for name in TABLES if not name.startswith("ops.")}


def native_rows(con: duckdb.DuckDBPyConnection) -> int:
    return sum(con.execute(f"select count(*) from {ddl.stored_name(name)}").fetchall()[0][0] for name in ddl.MOVED)


@pytest.fixture
def opened(stocked: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_work(stocked, SETTINGS, "test") as con:
        yield con


@pytest.fixture
def moved(stocked: Home, now: datetime) -> Home:
    """The small warehouse, published, with every month in Parquet."""
    with open_work(stocked, SETTINGS, "move") as con:
        move_all(con)
        publish(con, stocked, SETTINGS, run_id=None, now=now, code_version="0")
    return stocked


def test_a_month_is_due_when_it_ended_before_a_day(opened: duckdb.DuckDBPyConnection) -> None:
    assert cold_partitions.due_months(opened, date(2026, 3, 31)) == []
    assert cold_partitions.due_months(opened, APRIL) == [MARCH, Month("IDX", "202603")]
    assert Month("SPX", "202512").ended_before == date(2026, 1, 1)


def test_moving_changes_no_row_that_anybody_reads(opened: duckdb.DuckDBPyConnection) -> None:
    before, hashes = all_rows(opened), table_hashes(opened)
    assert native_rows(opened) > 0
    assert move_all(opened) == [MARCH, Month("IDX", "202603")]
    assert native_rows(opened) == 0
    after = all_rows(opened)
    for name, rows in before.items():
        assert after[name].equals(rows), name
    assert table_hashes(opened) == hashes
    assert cold_partitions.due_months(opened, APRIL) == [], "nothing is left to do"


def test_files_hold_what_the_list_says_sorted_by_key_and_are_not_writable(opened: duckdb.DuckDBPyConnection) -> None:
    move_all(opened)
    listed = opened.execute("select relation, path, rows, bytes, sha256 from main.parquet_files order by all").fetchall()
    files = cold_partitions.all_files(opened)
    assert {Path(file).name for file in files} == {Path(path).name for _, path, *_ in listed}
    for name, path, rows, size, sha256 in listed:
        file = next(Path(one) for one in files if one.endswith(path))
        content = file.read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest(), file.stat().st_mode & 0o777) == (size, sha256, 0o444)
        frame = pl.read_parquet(file)
        assert frame.height == rows
        assert frame.columns == ddl.stored_columns(name)
        key = TABLES[name].primary_key()
        assert frame.select(key).equals(frame.select(key).sort(key)), path


def test_the_same_rows_give_the_same_file(opened: duckdb.DuckDBPyConnection) -> None:
    move_all(opened)
    before = cold_partitions.all_files(opened)
    opened.execute("begin")
    cold_partitions.rehydrate(opened, [snapshot_id("COIN", FIRST)])
    opened.execute("commit")
    assert move_all(opened) == [MARCH]
    assert cold_partitions.all_files(opened) == before


@pytest.mark.slow
def test_a_late_load_of_a_moved_snapshot_gives_what_it_gives_without_parquet(
    stocked_home: Home, tmp_path: Path, calendar: TradingCalendar
) -> None:
    hashes = []
    for is_moved in (False, True):
        home = Home(Path(shutil.copytree(stocked_home.root, tmp_path / str(is_moved))))
        with open_work(home, SETTINGS, "late") as con:
            if is_moved:
                move_all(con)
            later = run_rows(coin(LAST, shift=3), calendar=calendar, run_id="late")
            assert load_snapshot(con, later, calendar=calendar, settings=SETTINGS).is_changed
            hashes.append(table_hashes(con))
            if is_moved:
                assert native_rows(con) > 0, "its month is native again"
                assert cold_partitions.due_months(con, APRIL) == [MARCH]
                move_all(con)
                assert table_hashes(con) == hashes[-1]
    assert hashes[0] == hashes[1]


@pytest.mark.slow
def test_a_new_snapshot_in_a_moved_month_is_shown_with_it_and_then_moved_into_one_file(
    stocked_home: Home, tmp_path: Path, calendar: TradingCalendar
) -> None:
    new = LAST + timedelta(hours=1)
    hashes = []
    for is_moved in (False, True):
        home = Home(Path(shutil.copytree(stocked_home.root, tmp_path / str(is_moved))))
        with open_work(home, SETTINGS, "new") as con:
            if is_moved:
                move_all(con)
            load_snapshot(con, run_rows(coin(new), calendar=calendar, run_id="new"), calendar=calendar, settings=SETTINGS)
            hashes.append(table_hashes(con))
            if is_moved:
                old = set(cold_partitions.all_files(con))
                assert move_all(con) == [MARCH]
                hashes.append(table_hashes(con))
                now = cold_partitions.all_files(con)
                assert len(now) == len(old), "still one file a table and month"
                assert {Path(path).name.split("-")[0] for path in old - set(now)} == {"COIN"}
    assert hashes[0] == hashes[1] == hashes[2]


def test_a_rollback_leaves_rows_and_list_as_they_were(opened: duckdb.DuckDBPyConnection) -> None:
    move_all(opened)
    hashes, files = table_hashes(opened), cold_partitions.all_files(opened)
    opened.execute("begin")
    cold_partitions.rehydrate(opened, [snapshot_id("COIN", FIRST)])
    assert native_rows(opened) > 0
    opened.execute("rollback")
    assert (native_rows(opened), table_hashes(opened), cold_partitions.all_files(opened)) == (0, hashes, files)


def test_readers_see_moved_rows_and_macros_and_latest_answer(moved: Home) -> None:
    with open_work(moved, SETTINGS, "look") as con:
        expected = {name: con.execute(f"select count(*) from {name}").fetchall()[0][0] for name in ddl.MOVED}
    assert {name: query(moved, f"select count(*) from {name}").item() for name in ddl.MOVED} == expected
    assert [name for name, rows in expected.items() if not rows] == ["core.implied_density"], "its chains are too small for one"
    assert query(moved, "from latest.gex_heatmap").height > 0
    assert query(moved, "from max_pain('COIN')").height == 2
    assert query(moved, "from gex_profile('COIN', venues := ['okx', 'bybit'], as_of := '2026-03-02 22:00')").height > 0
    assert live_manifest(moved)["parquet"] == [path for path in live_manifest(moved)["parquet"] if Path(path).exists()] != []
    with duckdb.connect(str(moved.published_file), read_only=True) as con:
        assert con.execute("select count(*) from core.option_quotes").fetchall() == [(expected["core.option_quotes"],)]


@pytest.mark.parametrize(
    "statement",
    [
        "copy (select 1 as a) to '{file}' (use_tmp_file false)",
        "copy (select 1 as a) to '{file}'",
        "explain analyze copy (select 1 as a) to '{file}' (use_tmp_file false)",
        "select 1; /* . */ explain (analyze) copy (select 1 as a) to '{file}' (use_tmp_file false)",
        "prepare p as copy (select 1 as a) to '{file}' (use_tmp_file false)",
        "copy (select 1 as a) to '{published}' (format csv, use_tmp_file false)",
        "from read_parquet('{other}')",
        "from glob('{folder}/*')",
    ],
)
@pytest.mark.slow
def test_a_moved_file_can_be_read_and_nothing_else_and_nothing_is_overwritten(moved: Home, tmp_path: Path, statement: str) -> None:
    file = Path(live_manifest(moved)["parquet"][0])
    other = Path(shutil.copy(file, tmp_path / "other.parquet"))
    published = moved.published / "generations" / "000001.duckdb"
    before = file.read_bytes(), published.read_bytes()
    assert query(moved, f"select count(*) from read_parquet('{file}')").item() > 0
    with pytest.raises(QueryFailed, match="The query was refused"):
        query(moved, statement.format(file=file, other=other, folder=file.parent, published=published))
    assert (file.read_bytes(), published.read_bytes()) == before


def test_explaining_a_query_is_reading(moved: Home) -> None:
    assert query(moved, "explain select count(*) from core.option_quotes").height > 0


def test_two_connections_of_a_process_see_moved_rows(moved: Home) -> None:
    with open_published(moved) as one, open_published(moved) as other:
        assert query_on(one, "from core.option_greeks").equals(query_on(other, "from core.option_greeks"))


def test_a_publication_whose_parquet_is_missing_does_not_go_live(moved: Home, now: datetime) -> None:
    with open_work(moved, SETTINGS, "publish") as con:
        Path(live_manifest(moved)["parquet"][0]).unlink()
        with pytest.raises((PublicationUnreadable, duckdb.IOException)):
            publish(con, moved, SETTINGS, run_id=None, now=now, code_version="0")
    assert live_manifest(moved)["generation"] == 1


def test_after_a_move_of_the_home_a_publication_names_the_files_where_they_are(moved: Home, now: datetime) -> None:
    elsewhere = Home(moved.root.with_name("elsewhere"))
    rows = query(moved, "from core.option_quotes order by all")
    shutil.move(moved.root, elsewhere.root)
    with pytest.raises(QueryFailed, match="parquet"):
        query(elsewhere, "from core.option_quotes")
    with open_work(elsewhere, SETTINGS, "publish") as con:
        publish(con, elsewhere, SETTINGS, run_id=None, now=now, code_version="0")
    assert query(elsewhere, "from core.option_quotes order by all").equals(rows)


def test_another_data_path_without_its_files_is_refused_with_both_paths(moved: Home, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"storage": StorageSettings(threads=1, data_path=tmp_path / "disk")})
    with (
        pytest.raises(WarehouseError, match=r"disk/.*is missing\. Move the files of .*parquet to .*disk"),
        open_work(moved, settings, "test"),
    ):
        pass
    shutil.copytree(moved.root / "parquet", tmp_path / "disk")
    with open_work(moved, settings, "test") as con:
        assert all(path.startswith(str(tmp_path / "disk")) for path in cold_partitions.all_files(con))


def test_a_column_that_is_younger_than_a_file_is_null_there(opened: duckdb.DuckDBPyConnection) -> None:
    cold_partitions.move(opened, MARCH)
    columns = [column for column in ddl.stored_columns("core.option_greeks") if column != "charm"]
    opened.execute("update main.parquet_files set columns = ? where relation = 'core.option_greeks'", [columns])
    cold_partitions.show_files(opened)
    counts = opened.execute("select starts_with(snapshot_id, 'COIN'), count(charm) > 0 from core.option_greeks group by all order by all")
    assert counts.fetchall() == [(False, True), (True, False)]


def test_a_work_file_of_the_version_before_gives_its_rows_to_the_views(stocked: Home) -> None:
    with open_work(stocked, SETTINGS, "age") as con:
        rows = con.execute("from core.option_quotes order by all").pl()
        for statement in (
            "drop view core.option_quotes", "drop view store.option_quotes_kept", "create table core.option_quotes as from store.option_quotes",
            "drop table store.option_quotes", "update main.work_version set fingerprint = 'older'",
        ):  # fmt: skip
            con.execute(statement)
    with open_work(stocked, SETTINGS, "look") as con:
        assert con.execute("from core.option_quotes order by all").pl().equals(rows)
        assert con.execute("select count(*) from store.option_quotes").fetchall() == [(rows.height,)]


def test_unused_files_are_those_that_nothing_names(moved: Home) -> None:
    folder = moved.root / "parquet"
    used = {"/".join(Path(path).parts[-2:]) for path in live_manifest(moved)["parquet"]}
    assert list(cold_partitions.unused_files(folder, used)) == []
    left = [folder / "option_quotes" / "COIN-202603-0123456789abcdef.parquet", folder / "option_greeks" / ".COIN-202603.1.tmp"]
    (folder / "of_somebody_else").mkdir()
    for file in (*left, folder / "of_somebody_else" / "theirs.parquet", folder / "option_quotes" / "notes.txt"):
        file.touch()
    assert set(cold_partitions.unused_files(folder, used)) == set(left)


@pytest.mark.parametrize("is_moved", [False, True])
@pytest.mark.slow
def test_compaction_gives_space_back_and_keeps_every_row_in_its_order(stocked: Home, is_moved: bool) -> None:
    names = [name for name in TABLES if not ddl.is_moved(name)]

    def stored(con: duckdb.DuckDBPyConnection) -> dict[str, pl.DataFrame]:
        return {name: con.execute(f"from {ddl.stored_name(name)}").pl() for name in names}

    with open_work(stocked, SETTINGS, "fill") as con:
        if is_moved:
            move_all(con)
        con.execute("create table main.large as select range as n, hash(range)::varchar as text from range(500000)")
        con.checkpoint()
        con.execute("drop table main.large")
        hashes, rows, files = table_hashes(con), stored(con), cold_partitions.all_files(con)
        assert free_pct(con) > 10
    size = stocked.work_file.stat().st_size
    won = compact(stocked, SETTINGS)
    assert stocked.work_file.stat().st_size == size - won < size
    with open_work(stocked, SETTINGS, "look") as con:
        assert free_pct(con) < 10
        assert table_hashes(con) == hashes
        assert cold_partitions.all_files(con) == files
        for name, frame in stored(con).items():
            assert frame.equals(rows[name]), name
    assert sorted(path.name for path in stocked.root.glob("work*")) == ["work.duckdb", "work.lock"]


@pytest.mark.slow
def test_publishing_takes_no_more_than_recent_rows(stocked: Home, now: datetime, publish_size: Callable[[Home], int]) -> None:
    before = publish_size(stocked)
    with open_work(stocked, SETTINGS, "move") as con:
        move_all(con)
        con.checkpoint()
    compact(stocked, SETTINGS)
    assert publish_size(stocked) < before


@pytest.fixture
def publish_size(now: datetime) -> Callable[[Home], int]:
    def run(home: Home) -> int:
        with open_work(home, SETTINGS, "publish") as con:
            publish(con, home, SETTINGS, run_id=None, now=now, code_version="0")
        return home.published_file.stat().st_size

    return run
