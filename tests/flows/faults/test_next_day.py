"""Faults that only show against the day before: half of the chain missing, and yesterday's data again."""

from __future__ import annotations

from pathlib import Path
from subprocess import run

import pytest

from flows.demo.venues import Double
from flows.run.exit_codes import DONE, SET_ASIDE
from tests.flows.faults.bad_day import (
    UNDERLYING,
    BadDay,
    assert_archive_is_complete,
    assert_open_interest_adds_up,
    assert_rate_is_respected,
    assert_rows_add_up,
    bad_day,
    run_exit_code,
)
from tests.flows.faults.expected import Expected, Fault, Group, rejected
from warehouse.home.paths import Home
from warehouse.read.query import query

HALVED = Expected("rejected", SET_ASIDE, ("live_contracts_halved",))
TWICE = "select underlying, venue, count(*) as days, count(distinct snapshot_id) as snapshots from core.snapshot_venues where status = 'ok' group by all"
CASES = [
    (Fault("half_chain:0.65", HALVED, but={"okx": {"spec": "half_chain:0.65@instType"}}), Group(("cboe", "bybit", "okx", "binance"), ("deribit",))),
    (Fault("half_chain:0.65", HALVED), Group(("deribit",), ("bybit",))),
    (Fault("half_chain:0.2", Expected()), Group(("cboe", "bybit", "deribit", "binance"), ("okx",))),
    (Fault("old_session", rejected("stale_clock: its instant"), but={"cboe": {"status": "ok", "exit_code": DONE, "says": ()}}), Group(("cboe", "bybit", "okx"), ("deribit", "binance"))),
    (Fault("old_session", rejected("stale_clock: its instant")), Group(("deribit", "binance"), ("bybit", "okx"))),
]  # fmt: skip


@pytest.fixture
def second_day(good: BadDay, tmp_path: Path) -> Home:
    """The home of a good day, for the next one."""
    run(["cp", "-a", good.home.root, tmp_path / "second"], check=True)  # keeps the hard link to the live generation
    return Home(tmp_path / "second")


@pytest.mark.parametrize(
    ("fault", "group"),
    [
        pytest.param(fault, group, id=f"{fault.spec} at {'+'.join(group.bad)}", marks=[] if len(group.bad) < 3 else [pytest.mark.slow])
        for fault, group in CASES
    ],
)
def test_a_fault_against_the_day_before(second_day: Home, double_of_the_next_day: Double, good: BadDay, fault: Fault, group: Group) -> None:
    faults = {venue: fault.of(venue)[0] for venue in group.bad}
    day = bad_day(double_of_the_next_day, second_day, group, faults, {})
    expected = {venue: fault.of(venue)[1] for venue in group.bad}
    assert day.result.exit_code == run_exit_code([one.exit_code for one in expected.values()])
    assert (day.result.generation, day.result.hold_reason) == (2, None)
    for venue, one in expected.items():
        outcome = day.outcome(venue)
        assert (outcome.status, bool(outcome.error)) == (one.status, one.status != "ok"), outcome.error
        assert all(part in (outcome.error or "") for part in one.says), outcome.error
        assert_archive_is_complete(day, venue, lost=0)
    for venue in group.good:
        assert (day.outcome(venue).status, day.outcome(venue).error) == ("ok", None)
        assert_rows_add_up(day, venue)
    assert_rate_is_respected(day)
    assert_open_interest_adds_up(day)
    repeats_session = {venue for venue in group.bad if fault.spec == "old_session"}
    days_and_snapshots = {
        (underlying, venue): (days, snapshots) for underlying, venue, days, snapshots in query(second_day, TWICE).iter_rows()
    }
    for venue in (*group.bad, *group.good):
        is_new = day.outcome(venue).status == "ok" and venue not in repeats_session
        assert days_and_snapshots[UNDERLYING[venue], venue] == ((2, 2) if is_new else (1, 1)), "yesterday's data are there once"
