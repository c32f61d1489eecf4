"""What was archived and not loaded, because a run was stopped or had to wait too long, is loaded by the next one."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from flows.demo.venues import Double
from flows.run.plan import make_plan
from flows.run.steps import STEPS
from flows.run.walk import RunContext, RunState, walk
from tests.commands import CHECKOUT
from tests.flows.conftest import Cli
from warehouse.archive.runs import read_runs
from warehouse.load.fingerprints import table_hashes
from warehouse.read.query import query
from warehouse.settings import load_settings
from warehouse.storage.work_file import open_work

HOLD = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.readline()"


def stopped_run(cli: Cli, underlying: str, venue: str) -> str:
    """A run that is stopped between archive and load; gives its id."""
    settings = load_settings()
    plan = make_plan([underlying], [venue], settings, datetime.now(UTC))
    cli.home.prepare()
    walk([step for step in STEPS if step.name in ("fetch", "archive")], RunContext(cli.home, settings, plan.run_id, plan), RunState())
    return plan.run_id


def test_the_next_run_loads_what_a_stopped_one_archived(cli: Cli, venues: Double) -> None:
    stopped = stopped_run(cli, "SOL", "deribit")
    assert cli("snapshot", "XRP", "--venue", "deribit", "--no-prefect").code == 0
    rows = query(cli.home, "select underlying, run_id from core.snapshots order by all").rows()
    assert [underlying for underlying, _ in rows] == ["SOL", "XRP"]
    assert rows[0][1] == stopped, "it keeps the run that fetched it"
    assert query(cli.home, "select count(*) from ops.runs").item() == 2


@pytest.mark.slow
def test_runs_that_load_late_or_in_time_give_the_same_rows(cli: Cli, venues: Double) -> None:
    stopped_run(cli, "SOL", "deribit")
    venues.set_session(2)
    assert cli("snapshot", "SOL", "--venue", "deribit", "--no-prefect").code == 0
    with open_work(cli.home, load_settings(), "test") as con:
        late = table_hashes(con)
    cli.home.work_file.unlink()
    venues.set_session(3)
    assert cli("snapshot", "XRP", "--venue", "deribit", "--no-prefect").code == 0, "an empty work file is filled from the archive"
    with open_work(cli.home, load_settings(), "test") as con:
        again = table_hashes(con)
    assert {key: value for key, value in again.items() if key in late and key[1]} == {key: value for key, value in late.items() if key[1]}


def test_a_locked_work_file_stops_a_run_after_its_replies_are_archived(cli: Cli, venues: Double) -> None:
    cli.home.prepare()
    cli.set(STRIKEHOUSE_STORAGE__LOCK_WAIT_S="0")
    command = [sys.executable, "-c", HOLD, str(cli.home.lock_file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        holder.stdout.readline()
        said = cli("snapshot", "SOL", "--venue", "deribit", "--no-prefect")
        holder.stdin.close()
    assert said.code == 1
    assert re.fullmatch(r"strikehouse: .*work\.duckdb is being written by another process\. Wait until it ends.*\n", said.err)
    (run,) = read_runs(cli.home)
    assert not cli.home.published_file.exists()
    assert cli("snapshot", "XRP", "--venue", "deribit", "--no-prefect").code == 0
    assert query(cli.home, "select run_id from core.snapshots where underlying = 'SOL'").item() == run["run_id"]


@pytest.mark.parametrize(
    ("damage", "pattern"),
    [
        ("body", "raw/deribit/*/*/001*.zst"),
        pytest.param("folder", "raw/deribit/*/*/manifest.json", marks=pytest.mark.slow),
        pytest.param("run", "raw/_runs/*.json", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_archive_of_an_earlier_run_is_named_and_holds_up_nothing(cli: Cli, venues: Double, damage: str, pattern: str) -> None:
    stopped = stopped_run(cli, "SOL", "deribit")
    (file,) = cli.home.root.glob(pattern)
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    said = cli("snapshot", "XRP", "--venue", "deribit", "--no-prefect")
    assert (said.code, said.err) == (0, "")
    assert re.search(rf"^Run {stopped} was archived and is still not loaded\. {re.escape(str(file))}: .*Restore ", said.out, re.MULTILINE)
    assert query(cli.home, "select underlying from core.snapshots").rows() == [("XRP",)]
    file.write_bytes(whole)
    assert cli("snapshot", "XRP", "--venue", "deribit", "--no-prefect").code == 0
    assert query(cli.home, "select distinct underlying from core.snapshots order by all").rows() == [("SOL",), ("XRP",)], "once repaired"
