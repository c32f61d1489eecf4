"""When runs are due: the watchlist's cron lines as Prefect reads them, and the deployments that they make."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect._vendor.croniter import CroniterBadDateError, croniter  # what Prefect's server reads cron lines with

from flows.prefect_app.due import deployments, due_instants, next_dues
from tests.commands import strikehouse
from warehouse.settings import DEFAULT_WATCHLIST, Watch
from warehouse.settings.cron import check_cron_line

BTC, SPX = DEFAULT_WATCHLIST["BTC"], DEFAULT_WATCHLIST["SPX"]
START = datetime(2028, 3, 10, 12, tzinfo=UTC)
RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def field(lowest: int, highest: int) -> st.SearchStrategy[str]:
    number = st.integers(lowest, highest)
    span = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    step = st.integers(1, highest).map(lambda step: f"/{step}")
    part = st.one_of(st.just("*"), number.map(str), span, st.tuples(st.one_of(st.just("*"), span), step).map("".join))
    return st.lists(part, min_size=1, max_size=3).map(",".join)


@given(st.tuples(*(field(*ends) for ends in RANGES)).map(" ".join))
def test_a_line_that_the_settings_accept_is_one_that_prefect_follows(line: str) -> None:
    try:
        ever = croniter(line, START).get_next(datetime) > START
    except CroniterBadDateError:
        ever = False
    if ever:
        assert check_cron_line(line) == line and croniter.is_valid(line)
    else:
        with pytest.raises(ValueError, match="never comes due"):  # every field is right
            check_cron_line(line)


def test_due_instants_are_the_same_in_one_piece_and_day_by_day() -> None:
    for watch in (BTC, SPX):
        whole = due_instants(watch, START, START + timedelta(days=60))
        assert whole == [
            due for day in range(60) for due in due_instants(watch, START + timedelta(days=day), START + timedelta(days=day + 1))
        ]


def test_the_begin_is_left_out_and_the_end_is_not() -> None:
    ten, eleven = (datetime(2028, 3, 10, hour, tzinfo=UTC) for hour in (10, 11))
    assert due_instants(BTC, ten, eleven) == [eleven]
    assert due_instants(BTC, ten - timedelta(microseconds=1), eleven - timedelta(microseconds=1)) == [ten]
    assert due_instants(BTC, eleven, eleven) == []


def test_lines_that_meet_are_due_once() -> None:
    both = Watch(venues=("deribit",), schedule=("0 * * * *", "0 8 * * *"))
    assert next_dues(both, datetime(2028, 3, 10, 7, 30, tzinfo=UTC), 2) == [datetime(2028, 3, 10, hour, tzinfo=UTC) for hour in (8, 9)]


def test_every_minute_of_a_day_is_due() -> None:
    assert len(due_instants(Watch(venues=("deribit",), schedule=("* * * * *",)), START, START + timedelta(days=2))) == 2880


def test_the_next_leap_day_is_due_and_no_schedule_has_no_next() -> None:
    leap = Watch(venues=("deribit",), schedule=("0 12 29 2 *",))
    assert next_dues(leap, datetime(2028, 2, 29, 12, tzinfo=UTC), 1) == [datetime(2032, 2, 29, 12, tzinfo=UTC)]
    assert next_dues(Watch(venues=("deribit",)), START, 1) == []


def test_underlyings_that_are_due_together_are_one_deployment() -> None:
    us, crypto = deployments(DEFAULT_WATCHLIST)
    assert us.underlyings == ("SPX", "SPY", "QQQ", "AAPL", "NVDA", "TSLA") and us.timezone == "America/New_York"
    assert crypto.underlyings == ("BTC", "ETH", "SOL", "HYPE") and crypto.name == "BTC+ETH+SOL+HYPE"
    elsewhere = SPX.model_copy(update={"timezone": "Europe/Berlin"})
    watchlist = {"SPX": SPX, "OESX": elsewhere, "QQQ": SPX, "GLD": Watch(venues=("cboe",))}
    assert [one.underlyings for one in deployments(watchlist)] == [("SPX", "QQQ"), ("OESX",)]


@pytest.mark.slow
def test_the_list_of_next_runs_names_instant_zone_and_meaning(tmp_path: Path) -> None:
    done = strikehouse(tmp_path / "home", "schedule", "--list", "--json")
    rows = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["due_utc"] for row in rows] == sorted(row["due_utc"] for row in rows)
    assert {(row["underlying"], row["schedule"]) for row in rows} == {
        (underlying, line) for underlying, watch in DEFAULT_WATCHLIST.items() for line in watch.schedule
    }
    for row in rows:
        assert row["timezone"] == DEFAULT_WATCHLIST[row["underlying"]].timezone
        if row["schedule"] == "15 9 * * 1-5":
            assert row["due_local"].endswith("09:15") and ("before the open" in row["note"] or "no US session" in row["note"])


def test_an_impossible_schedule_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "strikehouse.toml").write_text('[watchlist.BTC]\nvenues = ["deribit"]\nschedule = ["0 25 * * *"]\n')
    done = strikehouse(tmp_path / "home", "schedule")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "watchlist.BTC.schedule" in done.stderr and "hour '25' is not within 0 to 23" in done.stderr


def test_a_watchlist_without_schedules_has_nothing_to_serve(tmp_path: Path) -> None:
    (tmp_path / "strikehouse.toml").write_text('[watchlist.BTC]\nvenues = ["deribit"]\n')
    (row,) = json.loads(strikehouse(tmp_path / "home", "schedule", "--list", "--json").stdout)
    assert (row["underlying"], row["due_utc"], row["note"]) == ("BTC", None, "no schedule")
    refused = strikehouse(tmp_path / "home", "schedule")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1) and "Nothing in the watchlist has a schedule" in refused.stderr
