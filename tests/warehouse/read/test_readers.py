"""Readers: they see one whole generation, are never blocked, never block, and reach nothing but the published file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from models.errors import PublicationMissing, QueryFailed, UsageError
from tests.chains import SETTINGS
from tests.commands import CHECKOUT
from warehouse.home.paths import Home
from warehouse.publish.generations import publish
from warehouse.read.query import call_macro, open_published, query, query_on, show_table
from warehouse.storage import cold_partitions
from warehouse.storage.work_file import open_work

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
# Another program: it opens the file, says what it sees, and again each time it is asked.
READER = """
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
for line in sys.stdin:
    spots = con.execute("select (select spot from core.snapshots where underlying = 'IDX'), (select max(spot) from marts.max_pain where underlying = 'IDX'), generation from ops.publication").fetchall()
    print(spots, flush=True)
"""


def republish(home: Home, spot: float) -> None:
    """Publish a generation where IDX has another spot, in core and in marts."""
    with open_work(home, SETTINGS, "publish") as con:
        con.execute(f"update core.snapshots set spot = {spot} where underlying = 'IDX'")
        con.execute(f"update store.max_pain set spot = {spot} where underlying = 'IDX'")
        publish(con, home, SETTINGS, run_id=None, now=NOW, code_version="0")


# Opens the file as fast as it can, until its input ends; every other time as our own commands do.
BUSY_READER = """
import json, pathlib, select, sys, time, duckdb
from warehouse.home.paths import Home
from warehouse.read.query import open_published
home, sql = Home(pathlib.Path(sys.argv[1])), sys.argv[2]
seen, errors, slowest, opened = [], [], 0.0, 0
print('ready', flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    started = time.monotonic()
    try:
        with (duckdb.connect(str(home.published_file), read_only=True) if opened % 2 else open_published(home)) as con:
            rows = con.execute(sql).fetchall()
    except Exception as error:
        errors.append(repr(error))
        rows = []
    slowest, opened = max(slowest, time.monotonic() - started), opened + 1
    seen += [row for row in rows if not seen or row != seen[-1]]
print(json.dumps({"seen": seen, "errors": errors, "slowest": slowest, "opened": opened}))
"""
WHOLE = """
select
    (select generation from ops.publication), (select spot from core.snapshots where underlying = 'IDX'),
    (select max(spot) from marts.max_pain where underlying = 'IDX'), (select count(*) from core.option_quotes)
"""
NO_WAIT_S = 8.0  # a reader that waited for a writer would wait for a lock; this is what a crowded machine may take to open a file


@pytest.fixture
def published(home_at_101: Home) -> Home:
    """To be read."""
    return home_at_101


@pytest.fixture
def growing(stocked: Home) -> Home:
    """The same, to be published again."""
    republish(stocked, 101)
    return stocked


@pytest.fixture
def reader(growing: Home) -> Iterator[Callable[[], str]]:
    """Another process that holds the published file open; called, it reads once more."""
    command = [sys.executable, "-c", READER, str(growing.published_file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdin is not None and process.stdout is not None

        def read() -> str:
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        yield read
        process.stdin.close()


def test_a_reader_keeps_its_generation_through_three_publications_and_blocks_none(growing: Home, reader: Callable[[], str]) -> None:
    assert reader() == "[(101.0, 101.0, 1)]"
    for number, spot in enumerate((102, 103, 104), start=2):
        republish(growing, spot)
        assert reader() == "[(101.0, 101.0, 1)]", "one consistent generation"
        fresh = query(growing, "select spot from core.snapshots where underlying = 'IDX'").item()
        assert (fresh, query(growing, "select generation from ops.publication").item()) == (spot, number)


def test_a_reader_keeps_its_generation_even_when_that_is_pruned(growing: Home, reader: Callable[[], str]) -> None:
    assert reader() == "[(101.0, 101.0, 1)]"
    for path in (growing.published / "generations").glob("000001.*"):
        path.unlink()
    republish(growing, 102)
    assert reader() == "[(101.0, 101.0, 1)]"


@pytest.mark.parametrize("swaps", [12, pytest.param(200, marks=pytest.mark.acceptance)])
@pytest.mark.slow
def test_four_processes_read_without_pause_while_generations_are_swapped(growing: Home, swaps: int) -> None:
    command = [sys.executable, "-W", "error", "-c", BUSY_READER, str(growing.root), WHOLE]
    readers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) for _ in range(4)]
    try:
        for process in readers:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        with open_work(growing, SETTINGS, "publish") as con:
            ((quotes,),) = con.execute("select count(*) from core.option_quotes").fetchall()
            for number in range(2, swaps + 2):
                con.execute(f"update core.snapshots set spot = {100 + number} where underlying = 'IDX'")
                con.execute(f"update store.max_pain set spot = {100 + number} where underlying = 'IDX'")
                if number == swaps // 2:
                    for month in cold_partitions.due_months(con, date(2026, 4, 1)):
                        cold_partitions.move(con, month)
                assert publish(con, growing, SETTINGS, run_id=None, now=NOW, code_version="0") == number
        said = [process.communicate("", timeout=60)[0] for process in readers]
        reports = [json.loads(one.splitlines()[-1]) for one in said]  # before it, DuckDB's progress bar where a query takes two seconds
    finally:
        for process in readers:
            process.kill()
            process.wait()
    for one in reports:
        assert one["errors"] == []
        assert one["slowest"] < NO_WAIT_S
        generations = [row[0] for row in one["seen"]]
        assert generations == sorted(set(generations)), "none comes twice, and none after a newer one"
        mixed = [row for row in one["seen"] if row[1:] != [100 + row[0], 100 + row[0], quotes]]
        assert mixed == [], "core, marts and the rows in Parquet are of one generation"
        assert one["opened"] >= len(generations) > 1


def test_one_process_sees_the_new_generation_while_it_still_holds_the_old_one(growing: Home) -> None:
    sql = "select spot from core.snapshots where underlying = 'IDX'"
    with open_published(growing) as old:
        republish(growing, 102)
        with open_published(growing) as new:
            assert (query_on(old, sql).item(), query_on(new, sql).item()) == (101, 102)
        assert query_on(old, sql).item() == 101


def test_readers_are_many(published: Home) -> None:
    with open_published(published) as one, open_published(published) as other:
        assert query_on(one, "from core.snapshots").equals(query_on(other, "from core.snapshots"))


@pytest.mark.parametrize(
    "statement",
    [
        "from read_csv('{file}')",
        "from '{file}'",
        "select * from read_text('{file}')",
        "from glob('{folder}/*')",
        "copy core.snapshots to '{folder}/out.csv'",
        "copy core.snapshots from '{file}'",
        "attach '{folder}/other.duckdb' as other",
        "attach ':memory:' as other; copy (select 1) to '{folder}/out.csv'",
        "export database '{folder}/out'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
        "set lock_configuration = false",
        "reset enable_external_access",
        "create table core.mine as select 1",
        "delete from core.snapshots",
        "update core.snapshots set spot = 0",
        "drop view marts.max_pain",
        "copy (select 1) to '{published}' (format csv, use_tmp_file false)",
        "create or replace macro main.max_pain(x) as x",
    ],
)
def test_nothing_can_be_written_and_nothing_else_is_in_reach(published: Home, tmp_path: Path, statement: str) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "secret.csv").write_text("a,b\n1,2\n")
    with pytest.raises(QueryFailed, match="The query was refused"):
        query(published, statement.format(file=folder / "secret.csv", folder=folder, published=published.published_file.resolve()))
    assert [path.name for path in folder.iterdir()] == ["secret.csv"]


def test_variables_of_the_program_are_no_tables(published: Home) -> None:
    import polars as pl

    frame = pl.DataFrame({"secret": [1]})
    with open_published(published) as con, pytest.raises(QueryFailed, match="frame"):
        query_on(con, "from frame")
    assert frame.height


@pytest.mark.parametrize(
    ("sql", "says"), [("selec 1", "syntax error"), ("select nothing", "nothing"), ("from marts.max_pian", "Did you mean")]
)
def test_a_wrong_query_is_refused_in_the_words_of_duckdb(published: Home, sql: str, says: str) -> None:
    with pytest.raises(QueryFailed, match=says):
        query(published, sql)


def test_a_query_without_a_result_is_an_empty_frame(published: Home) -> None:
    assert query(published, "").is_empty()


def test_equal_column_names_do_not_get_in_each_others_way(published: Home) -> None:
    frame = query(published, "select 1 as a, 2 as a")
    assert frame.width == 2
    assert frame.row(0) == (1, 2)


def test_a_file_that_is_opened_by_name_works_without_strikehouse(published: Home) -> None:
    with duckdb.connect(str(published.published_file), read_only=True) as con:
        assert con.execute("select count(*) from max_pain('COIN', venues := ['deribit'])").fetchone() == (2,)
        assert con.execute("select count(*) from latest.gex_levels").fetchone()[0] > 0  # type: ignore[index]


def test_an_attached_file_answers_views_and_with_use_also_macros(published: Home) -> None:
    with duckdb.connect() as con:
        con.execute(f"attach '{published.published_file}' as sh (read_only)")
        assert con.execute("select count(*) from sh.marts.max_pain").fetchone()[0] > 0  # type: ignore[index]
        with pytest.raises(duckdb.Error):
            con.execute("from sh.max_pain('COIN')")
        con.execute("use sh")
        assert con.execute("select count(*) from max_pain('COIN')").fetchone() == (2,)


def test_macros_are_called_with_the_arguments_that_are_given(published: Home) -> None:
    given = {"underlying": "IDX", "expiry": date(2026, 3, 20), "venues": None, "strike_min": 100.0, "strike_max": None}
    assert call_macro(published, "pain_curve", given)["strike"].to_list() == [100, 105, 110]
    assert call_macro(published, "max_pain", {"underlying": "COIN", "venues": ["okx", "bybit"], "as_of": "2026-03-02 22:00"})[
        "scope_venue"
    ].unique().to_list() == ["bybit+okx"]


def test_tables_are_shown_by_name(published: Home) -> None:
    assert show_table(published, "latest.max_pain", underlying="idx", limit=2).height == 2
    assert show_table(published, "core.sign_scenarios").height == 4
    assert set(show_table(published, "latest.snapshots")["underlying"]) == {"COIN", "IDX"}
    with pytest.raises(UsageError, match=r"No table is called 'max_pain_of_all'\. Known: core\.snapshots, "):
        show_table(published, "max_pain_of_all")
    with pytest.raises(UsageError, match="no column underlying"):
        show_table(published, "core.sessions", underlying="SPX")


def test_without_a_publication_a_reader_learns_what_to_run(home: Home) -> None:
    with (
        pytest.raises(PublicationMissing, match=r"strikehouse\.duckdb: nothing is published yet\. Run `strikehouse snapshot`"),
        open_published(home),
    ):
        pass


def test_a_generation_that_goes_while_somebody_opens_the_file_is_no_error(growing: Home) -> None:
    folder = growing.published / "generations"
    for number in (0, 9):  # listed, and gone when it is looked at: such is a link to nothing
        (folder / f"{number:06d}.duckdb").symlink_to(folder / "pruned")
    assert query(growing, "select generation from ops.publication").item() == 1
