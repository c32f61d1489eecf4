"""The recorded chains of SPY: an American stock whose price moves after hours, and a re-pull that is the same to the last quote."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import pytest

from tests.acceptance.brute_force import CBOE_CAPTURES
from tests.acceptance.recorded import Shelf

QUICK, ALWAYS = "2026-07-22", ("2026-07-22", "2026-07-23", "2026-08-03")


def level_of(capture: str) -> list[pytest.MarkDecorator]:
    """One recording is quick enough for `make test`, a few more for `make test-all`, the others are acceptance."""
    return [] if capture == QUICK else [pytest.mark.slow] if capture in ALWAYS else [pytest.mark.acceptance]


@pytest.fixture(scope="module")
def spy(shelf_of: Callable[[str], Shelf]) -> Shelf:
    return shelf_of("SPY")


@pytest.mark.parametrize("capture", [pytest.param(each, marks=level_of(each)) for each in CBOE_CAPTURES])
def test_open_interest_pain_and_max_pain_agree_with_brute_force(spy: Shelf, capture: str) -> None:
    spy[capture].assert_all()


@pytest.mark.slow
def test_the_evening_pull_is_a_repeat_and_nothing_changed(spy: Shelf) -> None:
    first, evening = spy["2026-07-22"], spy["2026-07-23"]
    shown = {row[0]: row[1:] for row in spy.snapshots("snapshot_id", "session_date", "is_repeat", "quotes_changed")}
    assert shown[first.row["snapshot_id"]] == (date(2026, 7, 22), False, None)
    assert shown[evening.row["snapshot_id"]] == (date(2026, 7, 22), True, False)
    assert evening.row["captured_at"] == datetime(2026, 7, 23, 1, 14, 35)
    for mart in ("max_pain", "pain_curve"):
        ours, theirs = (one.table(f"marts.{mart}").drop("snapshot_id", "captured_at", "dte") for one in (first, evening))
        assert ours.equals(theirs)


@pytest.mark.slow
def test_open_interest_is_of_the_session_before(spy: Shelf) -> None:
    assert spy["2026-07-22"].venue["oi_as_of"] == spy["2026-07-23"].venue["oi_as_of"] == date(2026, 7, 21)
    assert spy["2026-08-03"].venue["oi_as_of"] == date(2026, 7, 31)


def test_spot_is_the_close_and_not_what_was_paid_after_hours(spy: Shelf) -> None:
    venue = spy["2026-07-22"].venue
    assert (venue["spot"], venue["spot_source"], venue["spot_current"]) == (747.41, "close", 745.60)


def test_contracts_that_settled_at_the_close_are_listed_and_not_live(spy: Shelf) -> None:
    snapshot = spy["2026-07-22"]
    assert snapshot.recording.settled.keys() == {datetime(2026, 7, 22, 20)}
    assert snapshot.venue["live_contracts"] == 13_592 - snapshot.recording.settled[datetime(2026, 7, 22, 20)]
