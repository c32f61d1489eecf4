"""A run is one list of steps: walked here and by Prefect alike, and a rebuild and an import end with the same steps."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from flows.demo.venues import Double
from flows.run.steps import PUBLICATION, STEPS
from tests.commands import strikehouse
from tests.flows.conftest import Cli
from warehouse.home.paths import Home

UNDERLYINGS = ("SPY", "SOL")
RUN = ("snapshot", *UNDERLYINGS, "--venue", "cboe", "--venue", "deribit")
DEBUG = {"STRIKEHOUSE_LOGS__FILE_LEVEL": "DEBUG"}
NAMES = [step.name for step in STEPS]


def walked(home: Home) -> list[str]:
    """Names of the steps that runs of a home took, with the underlying where a step is taken for each."""
    lines = "".join(file.read_text() for file in sorted(home.logs.glob("strikehouse-????-??-??.log")))
    return [" ".join(match).strip() for match in re.findall(r"\bstep ([a-z]+) ?([A-Z]*)$", lines, re.MULTILINE)]


def expected() -> list[str]:
    before, after = NAMES[: NAMES.index("parse")], NAMES[NAMES.index("load") + 1 :]
    return [*before, *(f"{name} {underlying}" for underlying in UNDERLYINGS for name in ("parse", "load")), *after]


def test_fetch_parse_load_check_publish_alert_and_report_are_steps_of_their_own() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert {"fetch", "parse", "load", "check", "alert", "publish", "report"} <= set(NAMES)


def test_a_run_without_prefect_takes_every_step_in_order(cli: Cli, venues: Double) -> None:
    cli.set(**DEBUG)
    assert cli(*RUN, "--no-prefect").code == 0
    assert walked(cli.home) == expected()


@pytest.mark.slow
@pytest.mark.prefect
def test_a_run_with_prefect_takes_the_same_steps_in_the_same_order(tmp_path: Path, cli: Cli, venues: Double) -> None:
    variables = {f"STRIKEHOUSE_SOURCES__{venue.upper()}__BASE_URL": url for venue, url in venues.urls.items()} | DEBUG
    home = Home(tmp_path / "prefect" / "home")
    done = strikehouse(home.root, *RUN, variables=variables, python=[sys.executable])  # Prefect and its libraries warn of each other
    assert done.returncode == 0, done.stderr
    assert walked(home) == expected()


def test_a_rebuild_ends_with_the_steps_of_a_publication(cli: Cli, archived: Home) -> None:
    cli.set(**DEBUG)
    assert cli("rebuild").code == 0
    assert walked(archived) == [step.name for step in PUBLICATION]
    assert [name for name in NAMES if name in walked(archived)] == walked(archived), "in the order of a run"


def test_an_import_ends_with_the_steps_of_a_publication(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "settled.csv"
    file.write_text("underlying,expires_at,settlement_price,source\nSPX,2026-03-20T13:30:00Z,5600.5,SET\n")
    cli.set(**DEBUG)
    assert cli("import", str(file), "--format", "settlements").code == 0
    assert walked(cli.home) == [step.name for step in PUBLICATION]
