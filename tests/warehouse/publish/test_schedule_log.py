"""published/schedule.json and the locks of scheduled runs: nothing is decided twice, nothing runs twice, and a crash leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from models.errors import AlreadyRunning, PublicationUnreadable
from models.market.schedule import LATE, RUN, SKIPPED, Decision
from tests.conftest import CHECKOUT
from warehouse.home.locks import schedule_lock, underlying_lock, underlying_locks
from warehouse.home.paths import Home
from warehouse.publish.schedule_log import changing_schedule_log, read_schedule_log

NOW = datetime(2028, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RETENTION = timedelta(days=30)

HOLDER = """
import sys
from pathlib import Path
from warehouse.home.paths import Home
from warehouse.home.locks import schedule_lock, underlying_lock
home = Home(Path(sys.argv[1]))
with underlying_lock(home, "BRK/B", "scheduled run of BRK/B SPX"), schedule_lock(home):
    print("running", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other(home: Home) -> Iterator[subprocess.Popen[str]]:
    """A process that runs an underlying and serves the home's schedules."""
    command = [sys.executable, "-c", HOLDER, str(home.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdout is not None and process.stdout.readline() == "running\n"
        yield process
        process.kill()


def test_a_lock_error_names_the_process_since_when_and_what_it_does(home: Home, other: subprocess.Popen[str]) -> None:
    with pytest.raises(AlreadyRunning) as refusal, underlying_lock(home, "BRK/B", "mine"):
        pass
    assert f"the run of BRK/B before this one has not ended: process {other.pid} since 20" in str(refusal.value)
    assert str(refusal.value).endswith("(scheduled run of BRK/B SPX)")
    with (
        pytest.raises(AlreadyRunning, match=rf"served already by process {other.pid} since .* \(strikehouse schedule\)"),
        schedule_lock(home),
    ):
        pass
    with underlying_lock(home, "SPX", "another underlying is free"):
        pass


def test_a_run_by_hand_waits_for_all_its_underlyings_and_holds_none_when_it_gives_up(home: Home, other: subprocess.Popen[str]) -> None:
    with pytest.raises(AlreadyRunning, match="the run of BRK/B"), underlying_locks(home, ["SPX", "BRK/B", "AAPL"], "by hand", wait_s=0.2):
        pass
    with underlying_locks(home, ["SPX", "AAPL"], "by hand", wait_s=0):
        pass
    threading.Timer(0.5, other.kill).start()
    with (
        underlying_locks(home, ["SPX", "BRK/B"], "by hand", wait_s=30),
        pytest.raises(AlreadyRunning, match=r"the run of SPX .*\(by hand\)"),
        underlying_lock(home, "SPX", "its schedule"),
    ):
        pass


def test_the_lock_of_a_killed_process_is_free_and_its_note_is_replaced(home: Home, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    note = home.locks / "BRK%2FB.lock"
    assert json.loads(note.read_bytes())["pid"] == other.pid, "it could not clean up"
    with underlying_lock(home, "BRK/B", "mine"):
        assert json.loads(note.read_bytes())["pid"] == os.getpid()
    with schedule_lock(home):
        pass


def test_a_home_without_a_log_has_decided_nothing(home: Home) -> None:
    log = read_schedule_log(home)
    assert (log.decided("SPX"), log.rows, log.last()) == (None, [], [])


def test_decisions_are_noted_and_the_next_process_goes_on_after_them(home: Home) -> None:
    with changing_schedule_log(home, retention=RETENTION, now=NOW) as log:
        log.begin("BTC", NOW - 3 * HOUR)
        log.begin("SPX", NOW - 3 * HOUR)
        log.add("BTC", [Decision(NOW - HOUR, NOW, SKIPPED, "why"), Decision(NOW, NOW, RUN, None)], "a-run")
    log = read_schedule_log(home)
    assert (log.decided("BTC"), log.decided("SPX"), log.decided("ETH")) == (NOW, NOW - 3 * HOUR, None)
    assert [(row["outcome"], row["reason"], row["run_id"]) for row in log.rows] == [("skipped", "why", None), ("run", None, "a-run")]
    assert [row["due_at"] for row in log.last()] == ["2028-03-10T12:00:00+00:00"]
    with changing_schedule_log(home, retention=RETENTION, now=NOW) as log:
        log.begin("BTC", NOW + HOUR)
    assert read_schedule_log(home).decided("BTC") == NOW, "it has begun before"


def test_old_rows_are_forgotten_and_what_is_decided_stays_decided(home: Home) -> None:
    with changing_schedule_log(home, retention=RETENTION, now=NOW) as log:
        log.add("BTC", [Decision(NOW, NOW, LATE, "why")], "a-run")
    with changing_schedule_log(home, retention=RETENTION, now=NOW + RETENTION):
        pass
    assert len(read_schedule_log(home).rows) == 1
    with changing_schedule_log(home, retention=RETENTION, now=NOW + RETENTION + HOUR):
        pass
    log = read_schedule_log(home)
    assert (log.rows, log.decided("BTC")) == ([], NOW)


def test_a_change_that_fails_changes_nothing(home: Home) -> None:
    def failing() -> None:
        with changing_schedule_log(home, retention=RETENTION, now=NOW) as log:
            log.add("BTC", [Decision(NOW, NOW, RUN, None)], "a-run")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert read_schedule_log(home).rows == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}"])
def test_a_damaged_log_is_an_error_that_says_what_to_do(home: Home, content: bytes) -> None:
    home.schedule_file.write_bytes(content)
    with pytest.raises(PublicationUnreadable, match=r"schedule\.json cannot be read .* Remove it"):
        read_schedule_log(home)
