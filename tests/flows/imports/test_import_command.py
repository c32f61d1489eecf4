"""`strikehouse import`: files archived, loaded, published; again, stopped, in doubt, and built again from raw/ alone."""

from __future__ import annotations

import gzip
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows import partitions
from flows.archived import load_pending_runs
from flows.imports import archive, cboe_csv
from tests.chains import SETTINGS
from tests.commands import PYTHON, environment
from tests.flows.conftest import Cli, Said
from tests.flows.imports.pieces import AUTUMN, SUMMER, cboe_line, cboe_text, whole_chain
from tests.flows.imports.test_mapping import US
from warehouse.home import Home
from warehouse.query import query
from warehouse.work import open_work, read_calendar

MONDAY = date(2026, 3, 2)


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting processes takes longer than these files; one test does."""
    monkeypatch.setattr("flows.partitions.FEW", 1000)


@pytest.fixture
def cli(cli: Cli, home: Home) -> Cli:
    """On a home whose tables are made already."""
    cli.use(home)
    return cli


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "downloads").mkdir()
    return tmp_path / "downloads"


def download(day: date = MONDAY, *, hour: int = 16, lines: Iterable[str] | None = None, root: str = "XYZ") -> str:
    zone = "EST" if day < date(2026, 3, 8) else "EDT"
    date_line = f'"Date: {day:%B} {day.day}, {day.year} at {hour}:45 {zone}",Bid: 0,Ask: 0'
    return cboe_text(whole_chain(root=root, put_oi=day.day) if lines is None else list(lines), date_line=date_line)


def near_the_money(day: date = MONDAY) -> str:
    side = "2.5,2.6,10,0.25,{},0.02,100"
    expiries = (SUMMER, AUTUMN)
    return download(
        day,
        lines=[cboe_line(strike, expiry, call=side.format(0.5), put=side.format(-0.5)) for expiry in expiries for strike in range(98, 103)],
    )


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text)


def rows(cli: Cli, sql: str) -> list[tuple[Any, ...]]:
    return query(cli.home, sql).rows()


def load(cli: Cli, *paths: Path, format: str = "cboe-csv", more: tuple[str, ...] = ()) -> Said:
    return cli("import", *map(str, paths), "--format", format, *more)


def archived(home: Home) -> list[str]:
    return sorted(path.relative_to(home.raw).as_posix() for path in home.raw.rglob("*.zst"))


def test_a_folder_of_downloads_is_imported_and_published(cli: Cli, folder: Path) -> None:
    write(folder, one=download(), two=download(MONDAY + timedelta(days=1)))
    (folder / "2026").mkdir()
    (folder / "2026" / "abc.csv.gz").write_bytes(gzip.compress(download(root="ABC").encode()))
    said = load(cli, folder)
    assert (said.code, said.err) == (0, ""), "no progress bar when piped"
    assert "3 of 3 files imported (3 chains).\n" in said.out
    assert f"Live is generation 1: {cli.home.published_file}\n" in said.out
    assert rows(cli, "select snapshot_id, origin, status, spot from core.snapshots order by all") == [
        ("ABC-20260302T214500Z", "import", "complete", 100.0),
        ("XYZ-20260302T214500Z", "import", "complete", 100.0),
        ("XYZ-20260303T214500Z", "import", "complete", 100.0),
    ]
    assert rows(cli, "select distinct venue, origin, status, spot_source, incomplete_reason from core.snapshot_venues") == [
        ("cboe", "import", "ok", "last", None)
    ]
    assert rows(cli, "select count(*) from marts.max_pain where scope_venue = 'all' and max_pain_strike is not null") == [(9,)]


def test_every_row_leads_to_its_file_and_line(cli: Cli, folder: Path) -> None:
    (folder / "2026").mkdir()
    (folder / "2026" / "xyz.csv").write_text(download())
    assert load(cli, folder).code == 0
    ((name, line, instrument),) = rows(
        cli,
        "select payloads.name, row_number + 1, instrument from core.option_quotes join ops.payloads on sha256 = payload_sha256 "
        "where strike = 100 and option_type = 'P' and expiry = '2026-03-06'",
    )
    assert name == "2026/xyz.csv"
    assert instrument in (folder / name).read_text().splitlines()[line - 1]
    assert rows(cli, "select asked, origin from ops.runs") == [('[{"file":"2026/xyz.csv","venue":"cboe","format":"cboe-csv"}]', "import")]
    assert str(folder) not in "".join(path.read_text() for path in cli.home.raw.rglob("*.json")), "nothing of this machine's folders"


def test_importing_again_changes_nothing(cli: Cli, folder: Path) -> None:
    write(folder, one=download(), two=download(MONDAY + timedelta(days=1)))
    load(cli, folder)
    before = archived(cli.home), rows(cli, "from core.snapshot_venues order by all")
    said = load(cli, folder)
    assert said.code == 0
    assert "0 of 2 files imported (0 chains), 2 there already.\nLive is generation 1" in said.out
    assert cli("status").code == 0, "files of old days do not make the feeds stale"
    assert (archived(cli.home), rows(cli, "from core.snapshot_venues order by all")) == before


def test_the_same_content_under_another_name_is_a_duplicate(cli: Cli, folder: Path) -> None:
    write(folder, one=download(), two=download())
    (folder / "three.csv.gz").write_bytes(gzip.compress(download().encode()))
    assert "1 of 3 files imported (1 chains), 2 there already." in load(cli, folder).out
    (folder / "one.csv").rename(folder / "four.csv")
    assert "0 of 3 files imported (0 chains), 3 there already." in load(cli, folder).out


def test_two_downloads_of_one_session_are_two_snapshots_the_second_a_repeat(cli: Cli, folder: Path) -> None:
    write(folder, early=download(hour=16), late=download(hour=20))
    assert load(cli, folder).code == 0
    assert rows(cli, "select captured_at::varchar, session_date::varchar, is_repeat, quotes_changed from core.snapshots order by all") == [
        ("2026-03-02 21:45:00", "2026-03-02", False, None),
        ("2026-03-03 01:45:00", "2026-03-02", True, False),
    ]


def test_a_near_the_money_download_is_flagged(cli: Cli, folder: Path) -> None:
    write(folder, near=near_the_money())
    said = load(cli, folder)
    assert said.code == 0
    assert "incomplete: near-the-money download: at most 5 strikes in an expiry, from 98 to 102, spot 100" in said.out
    assert [row[0].split(":")[0] for row in rows(cli, "select incomplete_reason from core.snapshot_venues")] == ["near-the-money download"]
    assert rows(cli, "select status, venues, venues_missing from core.snapshots") == [("partial", "cboe", "")]
    assert rows(cli, "select count(*) from max_pain('XYZ')") == [(2,)]
    assert rows(cli, "select count(*) from max_pain('XYZ', complete_only := true)") == [(0,)]


def test_a_near_the_money_download_after_whole_ones_is_set_aside(cli: Cli, folder: Path) -> None:
    write(folder, whole=download(), near=near_the_money(MONDAY + timedelta(days=1)))
    said = load(cli, folder)
    assert said.code == 4
    assert rows(cli, "select snapshot_id, status, error from core.snapshot_venues order by all") == [
        ("XYZ-20260302T214500Z", "ok", None),
        ("XYZ-20260303T214500Z", "rejected", "live_contracts_halved"),
    ]


def test_what_cannot_be_read_is_one_line_and_does_not_stop_the_others(cli: Cli, folder: Path) -> None:
    write(folder, a="<html></html>", b=download(), c="", d=download(lines=[cboe_line(0)]))
    said = load(cli, folder)
    assert said.code == 3
    assert "1 of 4 files imported (1 chains), 3 cannot be read." in said.out
    for line in ("a.csv: it is a web page.", "c.csv: it is empty. ", "d.csv: none of its rows can be used (2 × bad_strike)."):
        assert said.out.count(f"\n{line}") == 1, said.out
    assert rows(cli, "select snapshot_id from core.snapshots") == [("XYZ-20260302T214500Z",)]
    before = archived(cli.home)
    again = load(cli, folder)
    assert (again.code, archived(cli.home)) == (3, before)
    assert "0 of 4 files imported (0 chains), 1 there already, 3 cannot be read." in again.out
    assert "\na.csv: it is a web page." in "\n" + again.out


def test_nothing_usable(cli: Cli, folder: Path) -> None:
    write(folder, a="<html></html>", c="")
    said = load(cli, folder)
    assert said.code == 1
    assert said.out.endswith("0 of 2 files imported (0 chains), 2 cannot be read.\nNothing is published yet.\n")
    write(folder, dead=download(date(2027, 3, 2)))
    said = load(cli, folder / "dead.csv")
    assert said.code == 1
    assert "rejected" in said.out
    assert "no_live_contract" in said.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--format", "cboe-csv"), "Name the files or folders to import"),
        (("nowhere", "--format", "cboe-csv"), "There is no file or folder nowhere"),
        ((".", "--format", "cboe-csv"), "there is no file to import; folders are searched for *.csv"),
        ((".", "--format", "columns"), "The format columns needs a mapping: --mapping FILE.toml"),
        ((".", "--format", "columns", "--mapping", "none.toml"), "none.toml: the mapping cannot be read"),
        ((".", "--format", "cboe-csv", "--mapping", "m.toml"), "The format cboe-csv takes no mapping"),
        ((".", "--format", "columns", "--mapping", "short.toml"), "short.toml: the mapping is not whole: market: it is missing"),
    ],
)
def test_usage(arguments: tuple[str, ...], says: str, cli: Cli) -> None:
    Path("m.toml").write_text(US)
    Path("short.toml").write_text('venue = "cboe"')
    said = cli("import", *arguments)
    assert said.code == 2
    assert says in said.err
    assert not cli.home.raw.exists() or not archived(cli.home)
    assert cli("import", ".", "--format", "excel").code == 2
    assert cli("import", ".").code == 2


def test_a_mapping_is_kept_with_the_run_and_another_one_reads_the_same_file_again(cli: Cli, folder: Path) -> None:
    (folder / "m.toml").write_text(US)
    lines = ["day,root,cp,strike,expiration,oi,bid,ask,iv,close"]
    lines += [f"2026-03-02,XYZ,{kind},{strike},2026-03-20,{strike},1.5,1.6,25,100" for strike in (95, 100, 105) for kind in ("call", "put")]
    (folder / "chain.csv").write_text("\n".join(lines))
    more = ("--mapping", str(folder / "m.toml"))
    assert load(cli, folder, format="columns", more=more).code == 0
    assert rows(cli, "select sum(oi_base), any_value(venue_iv) from core.option_quotes") == [(60_000.0, 0.25)]
    assert "1 there already" in load(cli, folder, format="columns", more=more).out
    (folder / "m.toml").write_text(US.replace('unit = "contracts"', 'unit = "base"'))
    assert load(cli, folder, format="columns", more=more).code == 0
    assert rows(cli, "select sum(oi_base), any_value(venue_iv) from core.option_quotes") == [(600.0, 0.25)]
    (folder / "m.toml").unlink()
    said = cli("rebuild", "--verify")
    assert said.code == 0, said.out


def test_rebuild_gives_the_same_tables_from_raw_alone(cli: Cli, folder: Path) -> None:
    write(folder, one=download(), late=download(hour=20), near=near_the_money(MONDAY + timedelta(days=1)), bad="<html></html>")
    assert load(cli, folder).code == 3
    shutil.rmtree(folder)
    said = cli("rebuild", "--verify")
    assert said.code == 0, said.out
    assert "Equal, bit for bit" in said.out
    facts = "select run_id, asked, failures from ops.runs order by all"
    before = rows(cli, facts), rows(cli, "from core.snapshots order by all")
    cli.home.work_file.unlink()
    assert cli("rebuild").code == 0
    assert (rows(cli, facts), rows(cli, "from core.snapshots order by all")) == before
    assert "it is a web page" in rows(cli, facts)[0][2]


def test_what_was_archived_and_not_loaded_is_loaded_by_whoever_comes_next(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, one=download(), two=download(MONDAY + timedelta(days=1)), bad="<html></html>")
    with monkeypatch.context() as patch:
        patch.setattr("flows.imports.run._load", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt) if archived(cli.home) else [])
        assert load(cli, folder).code == 130
    with open_work(cli.home, SETTINGS, "test") as con:
        load_pending_runs(con, cli.home, SETTINGS, but="", calendar=read_calendar(con))
        assert con.execute("select count(*) from core.snapshots").fetchall() == [(2,)]
    said = load(cli, folder)
    assert said.code == 3
    assert "0 of 3 files imported (0 chains), 2 there already, 1 cannot be read." in said.out


def test_one_odd_file_does_not_keep_later_runs_from_loading(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, a=download(), b=download(root="ABC"), c=download(root="PARSER"))
    compute, terms = partitions.compute_snapshot, cboe_csv.osi_terms

    def odd_chain(venues: pl.DataFrame, *more: Any, **named: Any) -> Any:
        if venues["underlying"][0] == "ABC":
            raise OverflowError("a number that nobody thought of")
        return compute(venues, *more, **named)

    def odd_row(names: pl.Series) -> pl.DataFrame:
        if names[0].startswith("PARSER"):
            raise TypeError("a text that nobody thought of")
        return terms(names)

    with monkeypatch.context() as patch:
        patch.setattr(partitions, "compute_snapshot", odd_chain)
        patch.setattr(cboe_csv, "osi_terms", odd_row)
        said = load(cli, folder)
    assert said.code == 3
    assert "b.csv: a chain in it cannot be computed (OverflowError: a number that nobody thought of).\n" in said.out
    assert "c.csv: reading it failed (TypeError: a text that nobody thought of). Report this" in said.out
    assert "1 of 3 files imported (1 chains), 2 cannot be read." in said.out
    assert load(cli, folder).code == 3
    assert cli("rebuild").code == 0
    assert len(rows(cli, "from core.snapshots")) == 3, "a later version reads them"


def test_an_import_that_was_stopped_goes_on(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, **{f"d{day}": download(date(2026, 3, day)) for day in (2, 3, 4, 5, 6)})
    monkeypatch.setattr(archive, "RUN_FILES", 2)
    read_file, seen = archive.read_file, []

    def stopping(file: Any) -> bytes:
        seen.append(file.name)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return read_file(file)

    with monkeypatch.context() as patch:
        patch.setattr(archive, "read_file", stopping)
        assert load(cli, folder).code == 130
    said = load(cli, folder)
    assert said.code == 0
    assert "3 of 5 files imported (5 chains), 2 there already, 2 of an import that was stopped loaded now." in said.out
    assert rows(cli, "select count(*), count(distinct session_date) from core.snapshots") == [(5, 5)]


def test_an_import_that_was_killed_goes_on(cli: Cli, folder: Path) -> None:
    write(folder, **{f"d{day}": download(date(2026, 3, day)) for day in (2, 3, 4, 5, 6, 9, 10, 11)})
    small_runs = "from flows.imports import archive; archive.RUN_FILES = 2; from flows.cli import main; main()"
    command = [*PYTHON, "-c", small_runs, "import", str(folder), "--format", "cboe-csv"]
    with subprocess.Popen(
        command, env=environment(cli.home.root), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        until = time.monotonic() + 60
        while process.poll() is None and not list(cli.home.runs.glob("*.json")) and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    said = load(cli, folder)
    assert said.code == 0, said
    assert rows(cli, "select count(*), count(distinct captured_at), bool_and(status = 'complete') from core.snapshots") == [(8, 8, True)]
    assert rows(cli, "select count(*) from (from core.option_quotes select snapshot_id, count(*) as n group by all having n <> 42)") == [
        (0,)
    ]


def test_many_files_are_loaded_by_several_processes(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.partitions.FEW", 0)
    write(folder, **{f"d{day}": download(date(2026, 3, day)) for day in (2, 3, 4)}, bad="<html></html>")
    said = load(cli, folder, more=("--json",))
    assert said.code == 3
    assert {name: said.json[name] for name in ("files", "loaded", "resumed", "known", "exit_code", "generation")} == {
        "files": 4, "loaded": 3, "resumed": 0, "known": [], "exit_code": 3, "generation": 1,
    }  # fmt: skip
    assert list(said.json["failures"]) == ["bad.csv"]
    assert [(chain["captured_at"], chain["status"], chain["warnings"]) for chain in said.json["chains"]] == [
        (f"2026-03-0{day}T21:45:00", "ok", []) for day in (2, 3, 4)
    ]


def test_recorded_files_of_every_format(cli: Cli, folder: Path, recordings: Path) -> None:
    files = recordings / "files"
    day = gzip.decompress((files / "binance_vision_BTCUSDT-EOHSummary-2023-10-20.csv.gz").read_bytes()).decode().splitlines(keepends=True)
    (folder / "hours.csv").write_text("".join(line for line in day if line.startswith(("date", "2023-10-20,08", "2023-10-20,12"))))
    for file, kind, chains in (
        (files / "cboe_quotedata_SPY_2025-05-06_filtered.csv.gz", "cboe-csv", 1),
        (files / "deribit_book_summary_ETH_2024-01-08.csv.gz", "deribit-csv", 1),
        (folder / "hours.csv", "binance-vision", 2),
    ):
        said = load(cli, file, format=kind)
        assert said.code == 0, said.out
        assert f"1 of 1 files imported ({chains} chains)" in said.out
    solved = "select count(*) filter (iv is not null) / count(*)::double from core.option_greeks where venue = 'deribit'"
    assert rows(cli, solved)[0][0] > 0.95, "from prices in coin"
    assert rows(cli, "select venue, count(*), count(*) filter (is_repeat) from core.snapshot_venues join core.snapshots using (snapshot_id) group by all order by all") == [
        ("binance", 2, 0), ("cboe", 1, 0), ("deribit", 1, 0),
    ]  # fmt: skip
    said = cli("rebuild", "--verify")
    assert said.code == 0, said.out
