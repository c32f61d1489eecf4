"""Hundreds of runs with faults and kills leave what raw/ says, and readers never saw anything broken."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chains import SETTINGS
from tests.soak.plan import MARKET, PARTS, PHASES, make_plan
from tests.soak.soak import soak
from tests.soak.tally import Tally
from tests.soak.variety import FAULTS
from warehouse.home.paths import Home

RUNS = int(os.environ.get("SOAK_RUNS", "500"))
SEED = int(os.environ.get("SOAK_SEED", "20261116"))
MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))  # of runs; what is checked at the end comes on top
SHORT_SEED, SHORT_RUNS, SHORT_CHAINS = 1, 12, ("SOL", "XRP", "HYPE", "SPY")


def soaked(home: Home, seed: int, runs: int, names: Sequence[str], capfd: pytest.CaptureFixture[str]) -> Tally:
    def say(line: str) -> None:
        with capfd.disabled():
            print(line, flush=True)

    say(f"\nsoak of {runs} runs with seed {seed}, at most {MINUTES:g} minutes of them")
    tally = soak(home, SETTINGS, make_plan(seed, runs, names), minutes=MINUTES, say=say)
    say(tally.text())
    return tally


@pytest.mark.slow
def test_a_short_soak(empty_home: Home, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    home = Home(Path(shutil.copytree(empty_home.root, tmp_path / "home")))
    tally = soaked(home, SHORT_SEED, SHORT_RUNS, SHORT_CHAINS, capfd)
    assert tally.runs == SHORT_RUNS
    assert tally.kills.total() >= 3, "a kill by the clock may come too late, others do not"


@pytest.mark.acceptance
def test_a_whole_soak(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tally = soaked(Home(tmp_path / "home"), SEED, RUNS, tuple(MARKET), capfd)
    assert tally.runs == RUNS or tally.is_cut


def test_a_seed_gives_the_same_plan_each_time_and_a_long_one_has_everything() -> None:
    plan = make_plan(SEED, 500)
    assert make_plan(SEED, 500) == plan
    assert {kind for spec in plan for kind in spec.kinds} == {fault.kind for fault in FAULTS}
    assert {spec.kill.part for spec in plan if spec.kill} == {*PHASES, *PARTS}
    assert {name for spec in plan for name in spec.underlyings} == set(MARKET)
