"""`strikehouse schedule` as a process: it makes up for what was missed, runs, is killed, and goes on where it was.

One story in one test, because starting a Prefect server is what takes the time. That a planned run comes at its minute, without anybody's
help, takes a minute of waiting, and is a test of `make acceptance`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from flows.demo.venues import serve
from flows.prefect_app.limit import limit_name
from tests.commands import environment
from tests.flows.conftest import Cli
from warehouse.home.locks import underlying_lock
from warehouse.home.paths import Home
from warehouse.publish.schedule_log import read_schedule_log
from warehouse.read.query import query

pytestmark = pytest.mark.prefect


class Schedule:
    """A home whose SOL is due daily, at a minute that has just passed, or by another cron line; and the process that serves it."""

    def __init__(self, folder: Path, urls: dict[str, str], line: str | None = None, grace_minutes: int = 0) -> None:
        self.home = Home(folder / "home")
        self.due = datetime.now(UTC).replace(second=0, microsecond=0)
        watch = f'[watchlist.SOL]\nvenues = ["deribit"]\nschedule = ["{line or f"{self.due.minute} {self.due.hour} * * *"}"]\n'
        (folder / "strikehouse.toml").write_text(watch)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.variables = {
            "STRIKEHOUSE_SOURCES__DERIBIT__BASE_URL": urls["deribit"],
            "STRIKEHOUSE_SCHEDULE__PORT": str(self.port),
            "STRIKEHOUSE_SCHEDULE__GRACE_MINUTES": str(grace_minutes),
            "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        }
        self.home.prepare()

    def decided_until(self, instant: datetime) -> None:
        content = {"written_at": "", "decided_until": {"SOL": instant.isoformat()}, "runs": []}
        self.home.schedule_file.write_text(json.dumps(content))

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", "from flows.cli import main; main()", "schedule"]
        environ = environment(self.home.root, **self.variables)
        process = subprocess.Popen(command, cwd=self.home.root.parent, env=environ, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Serving 1 schedules of "), process.wait(10)
        return process

    def by_hand(self, runs: int) -> None:
        """Start runs as Prefect's own page does."""
        deployment = self.ask("deployments/name/scheduled/SOL")
        assert deployment["schedules"][0]["active"] and not deployment["paused"]
        for _ in range(runs):
            self.ask(f"deployments/{deployment['id']}/create_flow_run", {})

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        url, data = f"http://127.0.0.1:{self.port}/api/{path}", None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            answer: dict[str, Any] = json.load(reply)
            return answer

    def rows(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        """Rows of Prefect's own database."""
        with closing(sqlite3.connect(self.home.root / "prefect" / "prefect.db", timeout=20)) as con, con:
            return con.execute(sql, values).fetchall()

    def ended(self) -> list[tuple[str, str, str]]:
        """Runs of the flow that have ended: state, start, end; in the order of their starts."""
        ended = "select state_name, start_time, end_time from flow_run where deployment_id is not null and end_time is not null order by start_time"
        return self.rows(ended)


@pytest.fixture
def schedule(tmp_path: Path) -> Iterator[Schedule]:
    with serve(session=1) as double:
        made = Schedule(tmp_path, double.urls)
        made.decided_until(made.due - timedelta(days=10))
        yield made


@pytest.fixture
def every_minute(tmp_path: Path) -> Iterator[Schedule]:
    with serve(session=1) as double:
        yield Schedule(tmp_path, double.urls, "* * * * *", grace_minutes=10)


def stop(process: subprocess.Popen[str], how: signal.Signals) -> int:
    process.send_signal(how)
    code = process.wait(30)
    assert process.stdout is not None
    process.stdout.close()
    return code


def until(happened: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.3)


@pytest.mark.slow
def test_a_schedule_makes_up_for_what_was_missed_and_survives_being_killed(schedule: Schedule, cli: Cli) -> None:
    first = schedule.start()
    try:
        until(lambda: len(schedule.ended()) == 1)  # the last of ten missed runs, late
        until(lambda: bool(planned(schedule)))  # by Prefect's scheduler
    finally:
        stop(first, signal.SIGKILL)
    assert [state for state, _, _ in schedule.ended()] == ["Late"]
    runs = read_schedule_log(schedule.home).rows
    assert [row["due_at"] for row in runs] == [(schedule.due - timedelta(days=back)).isoformat() for back in range(9, -1, -1)]
    assert [row["outcome"] for row in runs] == ["skipped"] * 9 + ["late"]
    (snapshot,) = query(schedule.home, "select underlying, run_id, captured_at from core.snapshots").iter_rows(named=True)
    assert (snapshot["underlying"], snapshot["run_id"]) == ("SOL", runs[-1]["run_id"])
    assert abs(snapshot["captured_at"].replace(tzinfo=UTC) - schedule.due) > timedelta(hours=1), "filed under the market's instant"
    cli.use(schedule.home)
    assert cli("status", "--json").json["schedule"] == [runs[-1]]

    until(lambda: port_is_free(schedule.port), 20)  # a server that outlives its process would keep it
    # Downtime, as Prefect's database sees it: what was planned is past.
    schedule.rows(
        "update flow_run set next_scheduled_start_time = datetime(next_scheduled_start_time, '-9 days') where state_type = 'SCHEDULED'"
    )
    # A run was killed while it wrote, as Prefect's database sees it.
    schedule.rows("update concurrency_limit_v2 set active_slots = 1")
    was_planned = [run for run, _ in planned(schedule)]

    second = schedule.start()
    try:
        assert {state for run, state in states(schedule) if run in was_planned} == {"Skipped"}
        with underlying_lock(schedule.home, "SOL", "a run that takes long"):
            schedule.by_hand(1)
            until(lambda: bool(skipped(schedule)))
        (why,) = skipped(schedule)
        assert why.startswith(f"SOL: skipped, the run of SOL before this one has not ended: process {os.getpid()} since "), why
        assert why.endswith("(a run that takes long)")
        schedule.by_hand(2)
        until(lambda: len([state for state, _, _ in schedule.ended() if state == "Completed"]) == 2)
        until(lambda: bool(planned(schedule)))  # the schedule is active again
    finally:
        code = stop(second, signal.SIGTERM)
    assert code == 0, "a service that is stopped ends well"
    limits = schedule.rows('select name, "limit", active_slots from concurrency_limit_v2')
    assert limits == [(limit_name(schedule.home), 1, 0)], "the slot of the killed run was set free, and again after each run"
    times = [(start, end) for _, start, end in schedule.ended() if start is not None]
    assert all(end <= start for (_, end), (start, _) in pairwise(times)), "runs do not overlap"
    assert len(read_schedule_log(schedule.home).rows) == 10, "runs by hand are nobody's schedule"
    assert port_is_free(schedule.port)


@pytest.mark.acceptance
def test_a_run_that_prefect_has_planned_comes_at_its_minute(every_minute: Schedule) -> None:
    serving = every_minute.start()
    ended = (  # a run that is only pending when the process stops is cancelled, and never started
        "select state_name, expected_start_time, start_time from flow_run "
        "where auto_scheduled and start_time is not null and end_time is not null order by start_time"
    )
    try:
        until(lambda: bool(every_minute.rows(ended)), 600)
        state, expected, started = every_minute.rows(ended)[0]  # now: a process that has not quite ended is cancelled below
    finally:
        code = stop(serving, signal.SIGTERM)
    assert code == 0
    due = datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert state == "Completed" and due.second == 0 and due > every_minute.due
    assert timedelta(0) <= datetime.fromisoformat(started).replace(tzinfo=UTC) - due < timedelta(minutes=10)
    row = read_schedule_log(every_minute.home).rows[0]
    assert (row["underlying"], row["due_at"], row["outcome"]) == ("SOL", due.isoformat(), "run")
    assert row["run_id"] in query(every_minute.home, "select run_id from core.snapshots")["run_id"].to_list()
    print(f"\nPlanned for {due:%H:%M:%S}, started {started}, run {row['run_id']}.")


def planned(schedule: Schedule) -> list[tuple[str, str]]:
    return [(run, state) for run, state in states(schedule) if state == "Scheduled"]


def states(schedule: Schedule) -> list[tuple[str, str]]:
    return schedule.rows("select id, state_name from flow_run where deployment_id is not null and auto_scheduled")


def skipped(schedule: Schedule) -> list[str]:
    messages = "select s.message from flow_run r join flow_run_state s on s.id = r.state_id where r.state_name = 'Skipped' and not r.auto_scheduled"
    return [message for (message,) in schedule.rows(messages)]


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
