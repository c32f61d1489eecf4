"""A large load of old months writes the Parquet files in which `maintain` would keep their rows; every reader sees the same rows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import duckdb
import pytest

from flows.history.bulk_load import load_history
from flows.history.maintain import MOVED, PUBLISHED, SWEPT, maintain
from flows.history.rebuild import REBUILD
from models.contracts.registry import TABLES
from models.errors import WarehouseError
from tests.chains import SETTINGS
from tests.flows.conftest import Cli
from tests.flows.history.imports.downloads import download, load, rows, write
from warehouse.catalog import ddl
from warehouse.home.paths import Home
from warehouse.load.fingerprints import table_hashes
from warehouse.storage import cold_partitions
from warehouse.storage.parquet_files import Moving
from warehouse.storage.work_file import open_work

DAYS = [date(2026, 3, 30), date(2026, 3, 31), date(2026, 4, 1), date(2026, 4, 2)]
LATER = datetime(2026, 11, 1, tzinfo=UTC)
FILLED = sorted(set(ddl.MOVED) - {"core.implied_density"})  # too few quotes for one


@pytest.fixture
def months(folder: Path) -> Path:
    """Two sessions of each of two months, of two underlyings."""
    write(folder, **{f"{root.lower()}-{day}": download(day, root=root) for day in DAYS for root in ("XYZ", "ABC")})
    return folder


@pytest.fixture
def every_month_is_worth_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.history.bulk_load.Moving", partial(Moving, least_contracts=1))


def stored_state(home: Home) -> tuple[dict[tuple[str, str], tuple[int, str]], dict[str, int], list[tuple[str, int]]]:
    """Hashes of all tables, native rows of the large ones, and files per table."""
    with open_work(home, SETTINGS, "look") as con:
        native = {name: con.execute(f"select count(*) from {ddl.stored_name(name)}").fetchall()[0][0] for name in ddl.MOVED}
        files = con.execute("select relation, count(*) from main.parquet_files group by all order by all").fetchall()
        return table_hashes(con), native, files


def test_old_months_are_in_files_at_once_and_hold_the_rows_that_they_would_hold_natively(
    cli: Cli, months: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(cli, months).code == 0
    hashes, native, files = stored_state(cli.home)
    assert files == [] and sorted(name for name, count in native.items() if count) == FILLED, "so few contracts are not worth a file"
    monkeypatch.setattr("flows.history.bulk_load.Moving", partial(Moving, least_contracts=1))
    cli.home.work_file.unlink()
    assert cli("rebuild").code == 0
    moved_hashes, moved_native, moved_files = stored_state(cli.home)
    assert moved_hashes == hashes
    assert not any(moved_native.values())
    assert [name for name, _ in moved_files] == FILLED and {count for _, count in moved_files} == {4}
    assert rows(cli, "select count(*), count(distinct snapshot_id) from core.option_quotes") == [(8 * 42, 8)]
    for path in sorted((cli.home.root / "parquet").glob("*/*.parquet")):
        name = next(one for one in ddl.MOVED if one.split(".")[1] == path.parent.name)
        key = ", ".join(TABLES[name].primary_key())
        in_file = duckdb.sql(f"select {key} from read_parquet('{path}')").fetchall()
        assert in_file == sorted(in_file), "by key"
        described = duckdb.sql(f"describe select * from read_parquet('{path}')").fetchall()
        types = {column: ddl.sql_type(one).replace(", ", ",") for column, one in TABLES[name].columns().items()}
        assert [(row[0], row[1]) for row in described if row[0] != "is_only_venue"] == list(types.items()), name


@pytest.mark.usefixtures("every_month_is_worth_a_file")
@pytest.mark.slow
def test_a_month_that_has_not_ended_long_ago_stays_native(cli: Cli, months: Path) -> None:
    assert load(cli, months).code == 0
    hashes = stored_state(cli.home)[0]
    cli.home.work_file.unlink()
    with open_work(cli.home, SETTINGS, "again") as con:
        load_history(con, cli.home, SETTINGS, now=datetime(2026, 7, 1, tzinfo=UTC), progress=lambda _run: None)
        listed = con.execute("select distinct month from main.parquet_files order by all").fetchall()
        native = con.execute("select distinct left(split_part(snapshot_id, '-', 2), 6) from store.option_quotes order by all").fetchall()
    assert (listed, native) == ([("202603",)], [("202604",)]), "native_days is 90"
    assert stored_state(cli.home)[0] == hashes


@pytest.mark.usefixtures("every_month_is_worth_a_file")
@pytest.mark.slow
def test_pieces_of_a_month_become_one_file_when_the_month_is_moved(cli: Cli, months: Path) -> None:
    assert load(cli, months).code == 0
    write(months, late=download(DAYS[0], hour=20))
    assert load(cli, months).code == 0
    hashes, _, files = stored_state(cli.home)
    assert {count for _, count in files} == {5}
    done = maintain(cli.home, SETTINGS, now=LATER, dry_run=False, progress=lambda _step: None)
    assert [(one.action, one.what) for one in done.actions if one.action == MOVED] == [(MOVED, "XYZ 202603")]
    after, native, files = stored_state(cli.home)
    assert after == hashes and not any(native.values()) and {count for _, count in files} == {4}
    assert PUBLISHED in [one.action for one in done.actions]


@pytest.mark.usefixtures("every_month_is_worth_a_file")
@pytest.mark.slow
def test_what_another_run_captured_again_is_merged_and_stored_once(cli: Cli, months: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again = "\n".join(line.replace(",100,", ",300,") for line in download(DAYS[1]).split("\n"))
    assert again != download(DAYS[1])
    assert load(cli, months).code == 0
    write(months, corrected=again)
    assert load(cli, months).code == 0
    hashes = stored_state(cli.home)[0]
    assert rows(cli, "select count(*), count(distinct (snapshot_id, instrument)) from core.option_quotes") == [(8 * 42, 8 * 42)]
    said = cli("rebuild", "--verify")
    assert said.code == 0, said.out
    cli.home.work_file.unlink()
    assert cli("rebuild").code == 0, "both runs in one load"
    assert stored_state(cli.home)[0] == hashes
    monkeypatch.setattr("flows.history.bulk_load.Moving", Moving)
    cli.home.work_file.unlink()
    assert cli("rebuild").code == 0
    assert stored_state(cli.home)[0] == hashes, "and natively"


@pytest.mark.usefixtures("every_month_is_worth_a_file")
@pytest.mark.slow
def test_a_verification_leaves_no_file_and_a_stopped_rebuild_keeps_its_own(cli: Cli, months: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(cli, months).code == 0
    hashes = stored_state(cli.home)[0]
    parquet = cli.home.root / "parquet"

    def files() -> set[str]:
        return {path.relative_to(parquet).as_posix() for path in parquet.rglob("*") if path.is_file()}

    before = files()
    said = cli("rebuild", "--verify")
    assert said.code == 0, said.out
    assert files() == before and not any(cli.home.temporary.iterdir())

    monkeypatch.setattr("flows.history.bulk_load.BATCH_CONTRACTS", 1)
    monkeypatch.setattr("flows.history.bulk_load.MOST_UNITS", 1)
    with monkeypatch.context() as patch:
        patch.setattr("flows.history.bulk_load.settle_history", lambda *_: (_ for _ in ()).throw(WarehouseError("stopped. Go on")))
        assert cli("rebuild").code == 1
    assert (cli.home.root / REBUILD).exists()
    mine = files() - before
    assert mine, "other pieces than those of the import"
    done = maintain(cli.home, SETTINGS, now=LATER, dry_run=False, progress=lambda _step: None)
    assert SWEPT not in [one.action for one in done.actions]
    assert mine <= files()
    assert cli("rebuild").code == 0
    assert stored_state(cli.home)[0] == hashes


@pytest.mark.slow
def test_a_load_by_several_processes_writes_files(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.history.workers.FEW", 0)
    monkeypatch.setattr("flows.history.bulk_load.Moving", partial(Moving, least_contracts=40))
    write(folder, **{f"d{day:%d}": download(day) for day in DAYS[:3]})
    assert load(cli, folder).code == 0
    _, native, files = stored_state(cli.home)
    assert not any(native.values()) and [name for name, _ in files] == FILLED
    with open_work(cli.home, SETTINGS, "look") as con:
        listed = {Path(path).name for path in cold_partitions.all_files(con)}
    assert {path.name for path in (cli.home.root / "parquet").rglob("*.parquet")} == listed
