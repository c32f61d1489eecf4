"""`strikehouse import`: files archived, loaded, published; again, under other names, and what is wrong with them."""

from __future__ import annotations

import gzip
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.flows.conftest import Cli
from tests.flows.formats.pieces import cboe_line
from tests.flows.formats.test_mapping import US
from tests.flows.history.imports.downloads import MONDAY, archived, download, load, near_the_money, rows, write


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


@pytest.mark.slow
def test_a_mapping_is_stored_with_the_run_and_another_one_reads_the_same_file_again(cli: Cli, folder: Path) -> None:
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
