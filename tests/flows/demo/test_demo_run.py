"""The demo: a synthetic market over HTTP, one session more each time, without a network and without Prefect."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import httpx
import pytest

from flows.demo.demo_run import demo_venues
from models.contracts.registry import TABLES
from tests.chains import SETTINGS
from tests.conftest import CHECKOUT, Demo
from tests.flows.conftest import Cli
from warehouse.archive.runs import read_runs, write_run
from warehouse.catalog.checks import run_checks
from warehouse.home.paths import Home
from warehouse.load.fingerprints import table_hashes
from warehouse.publish.generations import generations
from warehouse.read.query import query, show_table
from warehouse.storage.work_file import open_work


def test_a_demo_run_ends_well_and_prints_max_pain_levels_and_the_file(demo: Demo) -> None:
    for number, (code, out, err) in enumerate(demo.runs, start=1):
        assert (code, err) == (0, "")
        lines = out.splitlines()
        assert [line.split()[:3] for line in lines[:4]] == [
            ["SPX", "cboe", "ok"],
            ["SPY", "cboe", "ok"],
            ["BTC", "deribit", "ok"],
            ["ETH", "deribit", "ok"],
        ]
        assert all(re.search(r" [\d,]+ contracts, open interest [\d,]+, \d+\.\d s$", line) for line in lines[:4]), lines[:4]
        assert "max_pain_strike" in out and "call_resistance" in out
        assert lines[-1] == f"Published generation {number}: {demo.home.published_file}"


def test_a_second_run_adds_the_next_session(demo: Demo) -> None:
    rows = query(demo.home, "select underlying, session_date::varchar as day, status, is_repeat from core.snapshots order by all").rows()
    assert rows == [(name, day, "complete", False) for name in ("BTC", "ETH", "SPX", "SPY") for day in ("2026-11-16", "2026-11-17")]
    assert [one.number for one in generations(demo.home)] == [1, 2]
    assert [run["is_synthetic"] for run in read_runs(demo.home)] == [True, True]


def test_the_demo_shows_am_and_pm_expiries_of_one_date(demo: Demo) -> None:
    instants = query(
        demo.home,
        "select expiry, count(*) as n from latest.max_pain where underlying = 'SPX' and scope_venue = 'all' group by all having n > 1",
    )
    assert instants.height >= 1
    roots = query(demo.home, "select distinct root, is_adjusted from core.option_quotes where underlying = 'SPY' order by all").rows()
    assert roots == [("SPY", False), ("SPY1", True)]


@pytest.mark.parametrize("name", TABLES)
def test_every_published_table_is_valid_by_its_contract(demo: Demo, name: str) -> None:
    TABLES[name].validate(show_table(demo.home, name))


def test_all_checks_are_clean_on_the_demo(demo: Demo) -> None:
    assert query(demo.home, "select check_name, venue, example from ops.check_results").rows() == []


def test_open_interest_of_the_marts_is_that_of_the_live_contracts(demo: Demo) -> None:
    quotes = "select snapshot_id, exact_sum(oi_base) as oi from core.option_quotes where is_live group by all order by all"
    marts = "select snapshot_id, exact_sum(total_oi) as oi from marts.max_pain where scope_venue = 'all' group by all order by all"
    assert query(demo.home, quotes).rows() == query(demo.home, marts).rows()


def test_our_gammas_agree_with_those_of_the_market(demo: Demo) -> None:
    near = """
        select median(abs(greeks.gamma / quotes.venue_gamma - 1)) as off
        from core.option_quotes as quotes join core.option_greeks as greeks using (snapshot_id, venue, instrument)
        where quotes.underlying = 'SPX' and quotes.venue_gamma >= 0.001 and quotes.expires_at > quotes.quoted_at + interval 2 day
    """
    assert query(demo.home, near).item() < 0.05


def test_the_demo_does_not_mix_with_real_snapshots(cli: Cli) -> None:
    cli.home.prepare()
    write_run(cli.home, {"run_id": "20260302T220000Z-aa", "asks": [], "fetched": []})
    said = cli("demo", "--no-prefect")
    assert said.code == 2
    assert "holds real snapshots" in said.err and "set STRIKEHOUSE_HOME to another folder" in said.err


def test_the_venue_server_starts_in_a_folder_that_has_a_package_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "__init__.py").write_text("raise ImportError('the wrong package')")
    monkeypatch.chdir(tmp_path)
    with demo_venues(2) as urls:
        assert httpx.get(f"{urls['deribit']}/api/v2/public/get_index_price", params={"index_name": "btc_usd"}).status_code == 200


START = """
import urllib.request
from flows.demo.demo_run import demo_venues
with demo_venues(2) as urls:
    print(urllib.request.urlopen(urls["deribit"] + "/api/v3/get_index_price?index_name=btc_usd").status)
"""


def test_the_venue_server_runs_the_code_of_a_checkout_that_is_not_installed(tmp_path: Path) -> None:
    for name in ("flows", "models", "warehouse"):
        shutil.copytree(CHECKOUT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    wire = tmp_path / "flows" / "demo" / "venues" / "deribit.py"
    wire.write_text(wire.read_text().replace('PREFIX = "/api/v2/public/"', 'PREFIX = "/api/v3/"'))
    (tmp_path / "start.py").write_text(START)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-m", "start"], cwd=tmp_path, env=environ, capture_output=True, check=False)
    assert (done.stdout, done.returncode) == (b"200\n", 0), done.stderr.decode()


def test_the_demo_is_stale_one_day_and_says_so_by_its_exit_code(cli: Cli, demo: Demo) -> None:
    cli.use(demo.home)
    for limit in ("US_DEGRADED_SESSIONS", "US_STALE_SESSIONS", "US_UNAVAILABLE_SESSIONS", "CRYPTO_UNAVAILABLE_HOURS"):
        cli.set(**{f"STRIKEHOUSE_FRESHNESS__{limit}": "1000000"})
    cli.set(STRIKEHOUSE_FRESHNESS__CRYPTO_DEGRADED_HOURS="0.0001", STRIKEHOUSE_FRESHNESS__CRYPTO_STALE_HOURS="0.0001")
    said = cli("status")
    assert said.code == 5
    assert re.search(r"^BTC +deribit .* stale +over 0\.0001 hours old$", said.out, re.MULTILINE), said.out
    assert re.search(r"^SPX +cboe .* healthy ", said.out, re.MULTILINE), said.out
    assert cli("status", "SPX", "SPY").code == 0 and cli("status", "--venue", "deribit").code == 5, "what is asked decides"
    assert [row["underlying"] for row in cli("status", "spy", "--json").json["freshness"]] == ["SPY"]
    cli.set(STRIKEHOUSE_FRESHNESS__CRYPTO_STALE_HOURS="1000000")
    said = cli("status")
    assert said.code == 0 and re.search(r"^BTC +deribit .* degraded ", said.out, re.MULTILINE), "degraded is no failure"
    cli.set(STRIKEHOUSE_MODELS__RATE_US="0.05")
    assert "8 snapshots were computed with other settings: a rebuild is due" in cli("status").out
    said = cli("status", "GLD")
    assert said.code == 2 and "GLD: no run has asked for that underlying. Known: BTC, ETH, SPX, SPY" in said.err


@pytest.mark.slow
def test_again_and_again_on_one_home_only_adds_snapshots(cli: Cli, demo_copy: Home) -> None:
    cli.use(demo_copy)

    def stored_rows() -> dict[str, list[tuple[object, ...]]]:
        hashes = "select snapshot_id, oi_hash, quotes_hash from core.snapshots order by all"
        rows = "select snapshot_id, count(*) from marts.pain_curve group by all order by all"
        return {"snapshots": query(demo_copy, hashes).rows(), "curves": query(demo_copy, rows).rows()}

    for number in (3, 4):
        before = stored_rows()
        raw = {path: path.read_bytes() for path in demo_copy.raw.rglob("*.json")}
        said = cli("demo", "--no-prefect")
        assert (said.code, said.err) == (0, "")
        assert said.out.splitlines()[-1] == f"Published generation {number}: {demo_copy.published_file}"
        after = stored_rows()
        for name, rows in before.items():
            assert set(rows) < set(after[name]), f"{name} are only added"
        assert len(after["snapshots"]) == 4 * number
        assert all(path.read_bytes() == content for path, content in raw.items()), "the archive never changes"
        assert query(demo_copy, "select check_name, venue, example from ops.check_results").rows() == []
    with open_work(demo_copy, SETTINGS, "test") as con:
        assert run_checks(con, scope="structure", needs="snapshot").rows() == []
        work = table_hashes(con)
    for name, contract in TABLES.items():
        contract.validate(show_table(demo_copy, name))
    with duckdb.connect(str(demo_copy.published_file), read_only=True) as con:
        assert table_hashes(con) == work, "what is published is what was loaded"


def test_generations_are_listed_and_rolled_back(cli: Cli, demo_copy: Home) -> None:
    cli.use(demo_copy)
    rows = cli("publish", "--list", "--json").json
    assert [(row["generation"], row["live"]) for row in rows] == [(1, ""), (2, "live")]
    assert cli("publish", "--rollback", "--json").json == [{"live generation": 1}]
    assert query(cli.home, "select count(*) from core.snapshots").item() == 4
    said = cli("publish", "--rollback")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "There is no generation before 1" in said.err
    assert cli("publish", "--json").json[0]["live generation"] == 3
    assert query(cli.home, "select count(*) from core.snapshots").item() == 8
