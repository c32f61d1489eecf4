"""One run under Prefect: a server of its own, tasks, artifacts, and the same results and exit codes as without it."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, NamedTuple

import pytest

from flows.demo.venues import serve
from tests.commands import strikehouse
from warehouse.home.paths import Home
from warehouse.read.query import query

pytestmark = [pytest.mark.prefect, pytest.mark.slow]


class PrefectRun(NamedTuple):
    home: Home
    done: CompletedProcess[str]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of Prefect's own database."""
        with closing(sqlite3.connect(self.home.root / "prefect" / "prefect.db")) as con:
            return con.execute(sql).fetchall()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectRun]:
    """SPY on Cboe, which answers, and SOL on Deribit, which does not."""
    home = Home(tmp_path_factory.mktemp("prefect") / "home")
    with serve(session=1, faults=["deribit:server_error:all"]) as double:
        variables = {f"STRIKEHOUSE_SOURCES__{venue.upper()}__BASE_URL": url for venue, url in double.urls.items()}
        variables |= {f"STRIKEHOUSE_SOURCES__{venue}__MAX_ATTEMPTS": "1" for venue in ("CBOE", "DERIBIT")}
        command = ("snapshot", "SPY", "SOL", "--venue", "cboe", "--venue", "deribit")
        # Prefect and its libraries warn of each other
        yield PrefectRun(home, strikehouse(home.root, *command, variables=variables, python=[sys.executable]))


def test_a_failing_venue_is_exit_three_and_the_others_are_published(run: PrefectRun) -> None:
    assert run.done.returncode == 3, run.done.stderr
    assert "SPY    cboe     ok" in run.done.stdout
    assert "SOL    deribit  failed" in run.done.stdout and "HTTP 503" in run.done.stdout
    assert "Traceback" not in run.done.stderr
    assert query(run.home, "select underlying from core.snapshots")["underlying"].to_list() == ["SPY"]
    assert f"Published generation 1: {run.home.published_file}" in run.done.stdout


def test_the_run_report_is_an_artifact_that_names_venues_errors_and_levels(run: PrefectRun) -> None:
    artifacts = {
        key: (kind, json.loads(data)) for key, kind, data in run.rows("select key, type, data from artifact where key is not null")
    }
    kind, table = artifacts["run-venues"]
    rows = {row["underlying"]: row for row in (json.loads(table) if isinstance(table, str) else table)}
    assert kind == "table"
    assert (rows["SPY"]["status"], rows["SOL"]["status"]) == ("ok", "failed")
    assert rows["SPY"]["contracts"] > 3000 and rows["SPY"]["open_interest"] > 0 and rows["SPY"]["seconds"] >= 0
    assert "HTTP 503" in rows["SOL"]["error"]
    kind, report = artifacts["run-report"]
    assert kind == "markdown"
    for part in ("# Run ", "## Checks", "## Levels", "HTTP 503", "call_resistance", "## Charts", "`strikehouse chart all SPY --as-of "):
        assert part in report, part


def test_lineage_leads_from_snapshots_to_the_publication(run: PrefectRun) -> None:
    events = run.rows("select event, resource_id from events where event like 'prefect.asset.%'")
    assert ("prefect.asset.materialization.succeeded", "duckdb://strikehouse/published") in events
    for event in ("materialization.succeeded", "referenced"):
        assert (f"prefect.asset.{event}", "duckdb://strikehouse/snapshots/spy") in events


def test_what_no_venue_gave_is_no_asset_that_was_made(run: PrefectRun) -> None:
    events = run.rows("select event from events where resource_id = 'duckdb://strikehouse/snapshots/sol'")
    assert events == [("prefect.asset.materialization.failed",)], "nor is it referenced by the publication"
    states = dict(run.rows("select name, state_type from task_run where name like 'load %'"))
    assert {name[: len("load SPY")]: state for name, state in states.items()} == {"load SPY": "COMPLETED", "load SOL": "FAILED"}
    ((message,),) = run.rows("select s.message from task_run t join task_run_state s on s.id = t.state_id where t.name like 'load SOL%'")
    assert "deribit" in message and "HTTP 503" in message


def test_tasks_are_coarse(run: PrefectRun) -> None:
    names = {name.rsplit("-", 1)[0] for (name,) in run.rows("select name from task_run")}
    assert names == {
        "fetch cboe/SPY", "fetch deribit/USDC", "parse SPY on cboe", "parse SOL on deribit", "load SPY", "load SOL", "alerts",
        "publish", "deliver alerts",
    }  # fmt: skip
    ((flow_run, state),) = run.rows("select name, state_type from flow_run")
    assert flow_run.startswith("snapshot ") and state == "COMPLETED"


def test_prefect_keeps_to_the_home(run: PrefectRun) -> None:
    user = run.home.root.parent / "user"
    assert not list(user.rglob("*prefect*")), "nothing is written into the user's home"
    assert (run.home.root / "prefect" / "prefect.db").exists()
    assert Path(run.home.root / "raw" / "_runs").is_dir()
