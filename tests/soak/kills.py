"""Kills at random points of every phase of a run and of maintenance: readers keep what they have, and the next run completes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

from flows.demo.venues import Double, serve
from tests.soak.job import Ending, Job
from tests.soak.plan import CLOCK, START, STEP, Kill, RunSpec
from tests.soak.publication import flaws, generation_of
from tests.soak.soak import variables_of
from tests.soak.steps import ARCHIVE, MAINTENANCE, PUBLICATION
from warehouse.home.paths import Home
from warehouse.publish.generations import live_manifest
from warehouse.read.query import open_published

# How, what is killed, and how many of twenty kills; models, marts and checks are parts of a load.
KINDS = (
    (STEP, ARCHIVE, 3), (CLOCK, "fetch", 2), (CLOCK, "load", 5), (STEP, PUBLICATION, 4), (STEP, MAINTENANCE, 4), (CLOCK, MAINTENANCE, 2),
)  # fmt: skip
CHAINS = ("HYPE",)
LATER = timedelta(days=70)  # maintenance runs as if it were so much later: months have ended, replies are beyond their time
MAINTAINED = {
    "STRIKEHOUSE_STORAGE__NATIVE_DAYS": "20",
    "STRIKEHOUSE_STORAGE__RAW_KEEP_DAYS": "1",
    "STRIKEHOUSE_STORAGE__COMPACT_FREE_PCT": "10",
}


@dataclass(frozen=True)
class Killed:
    """One kill and what it hit; `step` is the change to the disk that was not made, None when the clock decided or it came too late."""

    kill: Kill
    hit: str | None  # phase; None: the run had ended before
    step: str | None


def all_kills(seed: int) -> list[Kill]:
    """Twenty kills in random order."""
    dice = random.Random(seed)
    kills = [Kill(by, part, dice.random()) for by, part, times in KINDS for _ in range(times)]
    dice.shuffle(kills)
    return kills


def a_few_kills(seed: int) -> list[Kill]:
    """One kill of a load, of a publication and of maintenance."""
    dice = random.Random(seed)
    return [Kill(by, part, dice.uniform(0.2, 0.7)) for by, part in ((CLOCK, "load"), (STEP, PUBLICATION), (STEP, MAINTENANCE))]


def kill_in_turn(home: Home, kills: list[Kill]) -> tuple[list[Killed], Mapping[str, str]]:
    """Kill a run for each of these, look at what readers see, and let the next run complete; returns what was hit, and the variables.

    Market time goes on by two weeks a run, so that months end; raw/ is younger by nature, and maintenance is told to be later.
    """
    done: list[Killed] = []
    with serve(now=START) as double:
        variables = variables_of(double) | MAINTAINED
        with closing(Job(home, variables)) as job:
            clean(job, double, START)
            for number, kill in enumerate(kills, start=1):
                now = START + number * timedelta(days=14)
                double.set_now(now)
                before = live(home)
                ended = job.maintain(now + LATER, kill) if kill.part == MAINTENANCE else job.run(spec(number, now, kill))
                assert live(home) >= before, (kill, ended)
                done.append(Killed(kill, ended.killed_in, ended.step))
                clean(job, double, now)
                assert live(home) > before or ended.code is None, (kill, ended)
                if number % 4 == 0:
                    maintained(job, now)
            maintained(job, now)
    return done, variables


def clean(job: Job, double: Double, now: datetime) -> None:
    """A run that nobody kills completes."""
    job.home.rest_file.unlink(missing_ok=True)
    ended = job.run(spec(0, now, None))
    assert (ended.code, ended.err) == (0, ""), ended
    live(job.home)


def maintained(job: Job, now: datetime) -> None:
    """Maintenance that nobody kills completes, and leaves nothing to do but what it may not."""
    ended: Ending = job.maintain(now + LATER)
    assert (ended.code, ended.err) == (0, ""), ended
    live(job.home)


def live(home: Home) -> int:
    """The generation that readers see, which is whole and is the one that its manifest describes."""
    with open_published(home) as con:
        assert list(flaws(con, home)) == []
        generation = generation_of(con)
    assert live_manifest(home)["generation"] == generation
    return generation


def spec(number: int, now: datetime, kill: Kill | None) -> RunSpec:
    """A run over one coin, without faults."""
    return RunSpec(number, now, CHAINS, (), (), {}, kill)
