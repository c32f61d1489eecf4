"""One soak: the venues, the runs, a reader all the while, and what must hold at the end."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from flows.demo.venues import Double, serve
from tests.commands import CHECKOUT, PYTHON, environment, strikehouse
from tests.soak import ending
from tests.soak.job import Ending, Job
from tests.soak.plan import RunSpec, watchlist
from tests.soak.tally import Tally
from warehouse.home.paths import Home
from warehouse.publish.generations import live_generation
from warehouse.read.query import query
from warehouse.settings import Settings

# A venue fails soon, and asks for little rest: faults are what this is about, not waiting.
PATIENCE = {"MAX_REQUESTS_PER_SECOND": "200", "MAX_ATTEMPTS": "2", "MAX_WAIT_S": "0.3", "TIMEOUT_S": "10"}
RESTED = 4  # every so many runs all bans are over: hours of the market have passed, though only seconds of ours
SNAPSHOTS = "select count(*), count(distinct underlying) from core.snapshots"


def soak(home: Home, settings: Settings, plan: Sequence[RunSpec], *, minutes: float, say: Callable[[str], None]) -> Tally:
    """Run a plan, no longer than so many minutes, then check what must hold; returns what happened."""
    started = time.monotonic()
    tally = Tally()
    with serve(now=plan[0].now) as double:
        variables = variables_of(double)
        with _reader(home, variables) as seen:
            with closing(Job(home, variables)) as job:
                for spec in plan:
                    if time.monotonic() - started > minutes * 60:
                        tally.is_cut = True
                        break
                    run(job, double, spec, tally)
                    if spec.number % 50 == 0:
                        say(f"{spec.number} runs, {sum(tally.kills.values())} kills, generation {live_generation(home)}, {_since(started)}")
            _clean_run(home, double, plan, variables)
        ran = _since(started)
    assert seen["failures"] == [], "\n".join(seen["failures"])
    say(f"all runs ended, {ran}; now the end\n{tally.text()}\n")
    tally.end = {**_end(home, settings, variables, seen), "seconds of runs, in all": f"{ran}, {_since(started)}"}
    return tally


def run(job: Job, double: Double, spec: RunSpec, tally: Tally) -> Ending:
    """One run of the plan, and what must hold after it."""
    if double.market.now != spec.now:
        double.set_now(spec.now)
    if spec.number % RESTED == 0:
        job.home.rest_file.unlink(missing_ok=True)
    double.set_faults(spec.faults)
    started = time.monotonic()
    ended = job.run(spec)
    tally.add(spec, ended, time.monotonic() - started)
    assert ended.code in {0, 1, 3, 4, None}, (spec, ended)
    assert "still not loaded" not in ended.out, (spec, ended)
    assert ended.err == "", (spec, ended)
    if not spec.faults and not _rests(job.home) and not spec.venues and ended.code is not None:
        assert ended.code in {0, 4}, (spec, ended)
    return ended


def _clean_run(home: Home, double: Double, plan: Sequence[RunSpec], variables: Mapping[str, str]) -> None:
    """After all that, a run of everything without a fault ends well."""
    home.rest_file.unlink(missing_ok=True)
    double.set_faults([])
    double.set_now(plan[-1].now + timedelta(hours=5))
    names = sorted({name for spec in plan for name in spec.underlyings})
    said = strikehouse(home.root, "snapshot", *names, "--no-prefect", variables=variables)
    assert (said.returncode, said.stderr) == (0, ""), said


def _end(home: Home, settings: Settings, variables: Mapping[str, str], seen: Mapping[str, Any]) -> dict[str, object]:
    ending.check_every_archived_run_is_loaded(home)
    venues = ending.check_every_venue_of_every_snapshot_is_there_once(home, settings)
    generations = ending.check_publications(home, settings)
    leftovers = ending.check_nothing_is_left_lying(home, settings)
    said = ending.check_rebuild_equals(home, variables)
    partitions = ending.check_raw_alone_gives_the_same(home, settings, variables)
    snapshots, underlyings = query(home, SNAPSHOTS).row(0)
    return {
        "snapshots": f"{snapshots} of {underlyings} underlyings, {venues} venue rows, each in raw/ and in the warehouse once",
        "publications": f"generation {live_generation(home)}, {home.published_file.stat().st_size / 1e6:.0f} MB; {generations} kept, all whole",
        "reader": f"{seen['checks']} fresh connections and {seen['open_connection_checks']} looks through open ones saw {seen['generations']} "
        f"generations, {seen['hashed']} hashed; no failure",
        "rebuild --verify": said,
        "fresh home from raw/": f"{partitions} table partitions equal",
        "notes left in raw/": leftovers,
    }


@contextmanager
def _reader(home: Home, variables: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """A reader in a process of its own; what it saw is there when the block has ended."""
    seen: dict[str, Any] = {}
    process = subprocess.Popen(
        [*PYTHON, "-m", "tests.soak.reader", str(home.root)],
        cwd=CHECKOUT,
        env=environment(home.root, **variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield seen
        out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, ""), err
        seen.update(json.loads(out))
    finally:
        process.kill()
        process.communicate()


def variables_of(double: Double) -> dict[str, str]:
    """The environment of runs that ask a double."""
    variables = {"STRIKEHOUSE_WATCHLIST": watchlist(), "STRIKEHOUSE_STORAGE__THREADS": "1", "POLARS_MAX_THREADS": "1"}
    for venue, url in double.urls.items():
        prefix = f"STRIKEHOUSE_SOURCES__{venue.upper()}__"
        variables |= {f"{prefix}BASE_URL": url} | {f"{prefix}{name}": value for name, value in PATIENCE.items()}
    return variables


def _rests(home: Home) -> bool:
    """Whether a venue still wants to be left alone."""
    if not home.rest_file.exists():
        return False
    return any(datetime.fromisoformat(until) > datetime.now(UTC) for until in orjson.loads(home.rest_file.read_bytes()).values())


def _since(started: float) -> str:
    return f"{time.monotonic() - started:.0f} s"
