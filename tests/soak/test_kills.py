"""A run or maintenance that is killed at any point leaves the last publication readable, and the next run completes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.chains import SETTINGS
from tests.commands import strikehouse
from tests.soak import ending
from tests.soak.kills import KINDS, Killed, a_few_kills, all_kills, kill_in_turn
from tests.soak.plan import STEP, Kill
from tests.soak.steps import MAINTENANCE
from warehouse.archive.tombstones import tombstones
from warehouse.home.paths import Home

SEED = 20261116


def check(home: Home, kills: list[Kill], capfd: pytest.CaptureFixture[str]) -> list[Killed]:
    done, variables = kill_in_turn(home, kills)
    with capfd.disabled():
        print("\n" + "\n".join(f"{one.kill.part} by {one.kill.by}: {one.step or one.hit or 'too late'}" for one in done), flush=True)
    assert [one.hit is not None for one in done if one.kill.by == STEP].count(False) <= 1, "a step of a longer run than usual may not come"
    check_end(home, variables)
    return done


def check_end(home: Home, variables: Mapping[str, str]) -> None:
    ending.check_every_archived_run_is_loaded(home)
    ending.check_publications(home, SETTINGS)
    ending.check_nothing_is_left_lying(home, SETTINGS)
    assert tombstones(home), "replies were removed"
    assert list((home.root / "parquet").rglob("*.parquet")), "months were moved"
    said = strikehouse(home.root, "rebuild", "--verify", variables={**variables, **ending.TWO}, timeout=3600)
    assert (said.returncode, said.stderr) == (0, ""), said
    assert re.search(r"^Equal, bit for bit: \d+ table partitions, rebuilt from \d+ runs\.$", said.stdout, re.MULTILINE), said.stdout
    assert re.search(r"^\d+ snapshots cannot be rebuilt, because `maintain` removed their replies", said.stdout, re.MULTILINE), said.stdout


@pytest.mark.slow
def test_a_few_kills(empty_home: Home, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    home = Home(Path(shutil.copytree(empty_home.root, tmp_path / "home")))
    done = check(home, a_few_kills(SEED), capfd)
    assert MAINTENANCE in {one.hit for one in done}


@pytest.mark.acceptance
def test_twenty_kills(empty_home: Home, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    home = Home(Path(shutil.copytree(empty_home.root, tmp_path / "home")))
    done = check(home, all_kills(SEED), capfd)
    assert len(done) == sum(times for _, _, times in KINDS) == 20
    assert len({one.hit for one in done} - {None}) >= 4, "phases"
