"""Alerts while another process has the work file, and none of imports: each is told once, and ends up in `ops.alerts`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from flows.demo.venues import Double
from tests.commands import CHECKOUT, PYTHON, environment
from tests.flows.alert_hook import Hook, rules, table, without_token
from tests.flows.conftest import Cli
from tests.flows.history.imports.downloads import download

SOL = ("snapshot", "SOL", "--venue", "deribit", "--no-prefect")
LINE = "SOL on deribit is unavailable: over 24 hours old"
STALE = 'kind = "stale"'
HANG = """
import sys
from pathlib import Path
from warehouse.home.paths import Home
from warehouse.settings import Settings
from warehouse.storage.work_file import open_work
with open_work(Home(Path(sys.argv[1])), Settings(), "snapshot that hangs"):
    print("hangs", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def old(cli: Cli, venues: Double) -> Iterator[Double]:
    """SOL on Deribit was captured, and the market stands still since two days."""
    venues.set_now(datetime.now(UTC) - timedelta(days=2))
    assert cli(*SOL).code == 0
    cli.set(STRIKEHOUSE_STORAGE__LOCK_WAIT_S="0")
    yield venues
    venues.set_session(1)


@pytest.fixture
def hanging(old: Double, cli: Cli) -> Iterator[subprocess.Popen[str]]:
    """A run that has the work file and does not end."""
    with subprocess.Popen(
        [sys.executable, "-c", HANG, str(cli.home.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "hangs\n"
        yield process
        process.kill()


@pytest.mark.slow
def test_stale_data_are_alerted_once_while_a_run_hangs_and_belong_to_the_book_of_the_next(
    cli: Cli, old: Double, hanging: subprocess.Popen[str], hook: Hook
) -> None:
    rules(hook, STALE, 'kind = "venue_missing"', more="notify_cleared = true")
    said = cli("status", "--alert")
    assert (said.code, hook.lines) == (5, [LINE])
    assert f"(delivered): {LINE}" in said.out
    assert f"Only rules of kind stale were asked, of what the runs before reported: {cli.home.work_file} is being written by" in said.out
    assert f"process {hanging.pid} since " in said.out and "(snapshot that hangs)" in said.out
    for _ in range(2):
        cli("status", "--alert")
    assert hook.lines == [LINE], "told once"
    assert [one["message"] for one in cli("status", "--json").json["alerts"]] == [LINE]
    hanging.kill()
    hanging.wait()
    assert cli(*SOL).code == 0
    assert hook.lines == [LINE], "nor is it told by the next run"
    assert not cli.home.alerts_file.exists()
    (row,) = table(cli.home)
    assert (row["alert_key"], row["cleared_at"], row["delivered_to"]) == ("stale|SOL|deribit", None, "1:json")
    assert row["first_seen_at"] <= row["delivered_at"] < row["last_seen_at"]
    old.set_now(datetime.now(UTC))
    assert cli(*SOL).code == 0
    assert hook.lines == [LINE, f"Over: {LINE}"], "a run with new data ends it"
    assert table(cli.home)[0]["cleared_at"] is not None
    without_token(cli.home, said)


def test_an_address_that_failed_is_tried_again_during_the_run_and_by_the_next(cli: Cli, hanging: subprocess.Popen[str], hook: Hook) -> None:
    rules(hook, STALE)
    hook.status = 500
    for _ in range(2):
        said = cli("status", "--alert")
        assert said.code == 5 and "Not delivered: 1:json: " in said.out and hook.lines == []
    hanging.kill()
    hanging.wait()
    hook.status = 200
    cli("status", "--alert")
    assert hook.lines == [LINE]
    cli("status", "--alert")
    assert hook.lines == [LINE]
    without_token(cli.home, said)


@pytest.mark.slow
def test_an_unreadable_outbox_is_reported_again_and_stops_nothing(cli: Cli, hanging: subprocess.Popen[str], hook: Hook) -> None:
    rules(hook, STALE)
    cli.home.alerts_file.write_text("[{")
    assert cli("status", "--alert").code == 5
    assert hook.lines == [LINE]


@pytest.mark.slow
def test_what_the_book_has_open_is_not_alerted_during_a_run(cli: Cli, old: Double, hook: Hook) -> None:
    rules(hook, STALE)
    assert cli("status", "--alert").code == 5 and hook.lines == [LINE]
    with subprocess.Popen(
        [sys.executable, "-c", HANG, str(cli.home.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "hangs\n"
        cli("status", "--alert")
        process.kill()
    assert hook.lines == [LINE] and not cli.home.alerts_file.exists()


@pytest.mark.slow
def test_two_that_ask_at_the_same_time_tell_it_once(cli: Cli, hanging: subprocess.Popen[str], hook: Hook) -> None:
    rules(hook, STALE)
    environ = environment(cli.home.root, STRIKEHOUSE_STORAGE__LOCK_WAIT_S="0")
    command = [*PYTHON, "-c", "from flows.cli import main; main()", "status", "--alert"]
    both = [
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd()) for _ in range(2)
    ]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 5 and f"(delivered): {LINE}" in out, err
    assert hook.lines == [LINE]


@pytest.mark.slow
def test_an_import_asks_no_rule_however_new_its_files(cli: Cli, old: Double, hook: Hook, tmp_path: Path) -> None:
    every = [STALE, 'kind = "flip_crossed"', 'kind = "regime_changed"', 'kind = "max_pain_moved"\npct = 0.01', 'kind = "check_failed"\nseverity = "any"']  # fmt: skip
    rules(hook, *every)
    cli("status", "--alert")
    folder = tmp_path / "downloads"
    folder.mkdir()
    today = datetime.now(UTC).date()
    for day in (date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4), today - timedelta(days=today.weekday() + 3)):
        (folder / f"{day}.csv").write_text(download(day))
    said = cli("import", str(folder), "--format", "cboe-csv")
    assert said.code in (0, 3, 4) and "4 of 4 files imported" in said.out, said
    assert hook.lines == [LINE]
    (row,) = table(cli.home)
    assert (row["alert_key"], row["cleared_at"]) == ("stale|SOL|deribit", None), "it neither opens nor ends an alert"
    assert cli(*SOL).code == 0
    assert hook.lines == [LINE], "and the next run has nothing to say of it"
