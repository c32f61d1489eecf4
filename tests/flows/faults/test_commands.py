"""The same as a process of its own, as a person runs it: exit code, what is printed, and how much memory 200 MB of reply take."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from flows.demo.venues import Double
from tests.commands import PYTHON, environment
from tests.flows.faults.bad_day import BadDay
from warehouse.home.paths import Home
from warehouse.read.query import query

# Peak memory of this program alone: getrusage goes on from the process that started it.
MAIN = """from flows.cli import main
import atexit, pathlib
def peak():
    (line,) = (one for one in pathlib.Path('/proc/self/status').read_text().splitlines() if one.startswith('VmHWM:'))
    print('peak MB', int(line.split()[1]) // 1000)
atexit.register(peak)
main()"""
BOTH = ("SPY", "SOL", "--venue", "cboe,deribit")

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def snapshot(fault_double: Double, home: Home) -> Iterator[Command]:
    """`snapshot("deribit:reset:all")` runs the command on SPY and SOL while the double has these faults."""

    def run(*faults: str, underlyings: Sequence[str] = BOTH, **variables: str) -> subprocess.CompletedProcess[str]:
        fault_double.set_faults(faults)
        ways = {"MAX_REQUESTS_PER_SECOND": "40", "MAX_ATTEMPTS": "2", "MAX_WAIT_S": "0.1"}
        sources = {
            f"STRIKEHOUSE_SOURCES__{venue.upper()}__{name}": value
            for venue, url in fault_double.urls.items()
            for name, value in {"BASE_URL": url, **ways}.items()
        }
        command = [*PYTHON, "-c", MAIN, "snapshot", *underlyings, "--no-prefect"]
        env = environment(home.root, STRIKEHOUSE_STORAGE__THREADS="1", **{**sources, **variables})
        return subprocess.run(command, cwd=home.root.parent, env=env, capture_output=True, text=True, timeout=120, check=False)

    yield run
    fault_double.set_faults([])


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.stderr == "", done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith(("SPY", "SOL"))][:2]


def test_one_venue_that_fails_is_exit_three_and_a_line(snapshot: Command, home: Home) -> None:
    done = snapshot("deribit:server_error:all:502")
    assert done.returncode == 3, done
    spy, sol = lines(done)
    assert spy.startswith("SPY    cboe     ok         3,154 contracts, open interest 2,045,982,000")
    assert sol == "SOL    deribit  failed    deribit: HTTP 502 for `instruments` of book USDC. Try later"
    assert "Max pain per expiry" in done.stdout and f"Published generation 1: {home.published_file}" in done.stdout


def test_all_venues_that_fail_are_exit_one_and_nothing_is_published(snapshot: Command, home: Home) -> None:
    done = snapshot("*:garbage:all")
    assert done.returncode == 1, done
    assert all("failed" in line and "is a web page and not JSON" in line for line in lines(done))
    assert f"Nothing usable was captured; every reply is kept in {home.raw}" in done.stdout
    assert not home.published_file.exists()


def test_a_venue_that_checks_set_aside_is_exit_four(snapshot: Command, home: Home, good: BadDay, double_of_the_next_day: Double) -> None:
    shutil.rmtree(home.root)
    subprocess.run(["cp", "-a", good.home.root, home.root], check=True)  # keeps the hard link to the live generation
    urls = {f"STRIKEHOUSE_SOURCES__{venue.upper()}__BASE_URL": url for venue, url in double_of_the_next_day.urls.items()}
    double_of_the_next_day.set_faults(["cboe:half_chain:0.65"])
    try:
        done = snapshot(**urls)
    finally:
        double_of_the_next_day.set_faults([])
    assert done.returncode == 4, done
    spy, sol = lines(done)
    assert spy.startswith("SPY    cboe     rejected") and spy.endswith("live_contracts_halved")
    assert sol.startswith("SOL    deribit  ok")
    days = "select underlying, max(session_date)::varchar from core.snapshots group by all order by all"
    assert query(home, days).rows() == [("SOL", "2026-11-17"), ("SPY", "2026-11-16")]


def peak_mb(done: subprocess.CompletedProcess[str]) -> int:
    return int(done.stdout.splitlines()[-1].removeprefix("peak MB "))


@pytest.mark.slow
def test_200_megabytes_fail_their_venue_and_leave_the_memory_bounded(snapshot: Command) -> None:
    done = snapshot("deribit:huge:200:gzip@book_summary")
    assert done.returncode == 3, done
    spy, sol = lines(done)
    assert spy.startswith("SPY    cboe     ok")
    larger = "the reply to /api/v2/public/get_book_summary_by_currency is larger than 100 MB"
    assert sol == f"SOL    deribit  failed    deribit: {larger}. If that is right, raise STRIKEHOUSE_SOURCES__DERIBIT__MAX_RESPONSE_MB"
    assert peak_mb(done) < 500, "what a run takes, one limit, and what unpacking the last piece may take"


@pytest.mark.acceptance
@pytest.mark.parametrize("how", ["chunked", "length", "gzip"])
def test_200_megabytes_in_every_way_at_every_venue_at_once(snapshot: Command, how: str) -> None:
    done = snapshot(f"*:huge:200:{how}")
    assert done.returncode == 1, done
    assert all("is larger than 100 MB. If that is right, raise STRIKEHOUSE_SOURCES__" in line for line in lines(done))
    assert peak_mb(done) < 600


@pytest.fixture
def home(empty_home: Home, tmp_path: Path) -> Home:
    """An empty home in a folder of its own, since commands put the user's beside it."""
    return Home(Path(shutil.copytree(empty_home.root, tmp_path / "own" / "home")))
