"""Venues that ask for a rest: nobody is asked before it is over, whoever asked for it and in whatever way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from flows.demo.venues import Double
from tests.flows.faults.bad_day import BadDay, assert_failure_is_noted, assert_healthy_venue_is_unchanged, assert_rate_is_respected, bad_day
from tests.flows.faults.conftest import NextDay
from tests.flows.faults.expected import Expected, Fault, Group
from warehouse.home.cooldowns import note_cooldown
from warehouse.home.paths import Home

BANS = Fault(
    "rate_limit:all:seconds:120",
    Expected(),
    but={"bybit": {"spec": "rate_limit:all:403"}, "binance": {"spec": "rate_limit:all:418"}},
)
REST_S = {"cboe": 120, "okx": 120, "bybit": 600, "binance": 120}
DAY = Group(tuple(REST_S), ("deribit",))


@pytest.mark.slow
def test_bans_at_the_same_time_are_all_respected_by_a_later_run(run_on: NextDay, fault_double: Double, home: Home, good: BadDay) -> None:
    first = run_on(BANS, DAY)
    until = {venue: datetime.fromisoformat(text) for venue, text in orjson.loads(home.rest_file.read_bytes()).items()}
    assert set(until) == set(REST_S)
    for venue, seconds in REST_S.items():
        left = (until[venue] - datetime.now(UTC)).total_seconds()
        assert seconds - 60 < left <= seconds
        assert len(first.hits(venue)) == len(first.requests_to(venue)) == 1, "a rest above MAX_WAIT_S fails the venue at once"

    later = bad_day(fault_double, home, DAY, {}, {})
    assert {one.venue for one in later.requests} == {"deribit"}
    assert later.result.exit_code == 3
    for venue in REST_S:
        error = later.outcome(venue).error or ""
        assert f"asked for a rest until {until[venue]:%Y-%m-%d %H:%M:%S} UTC and is not asked before" in error
        assert_failure_is_noted(later, venue, is_fetched=False)
    assert_healthy_venue_is_unchanged(first, "deribit", good)

    home.rest_file.write_bytes(orjson.dumps(dict.fromkeys(REST_S, "2026-01-01T00:00:00+00:00")))  # they are over
    recovered = bad_day(fault_double, home, DAY, {}, {})
    assert recovered.result.exit_code == 0
    for venue in DAY.bad:
        assert_healthy_venue_is_unchanged(recovered, venue, good)


def test_notes_of_rests_at_the_same_time_do_not_meet_in_one_file(home: Home) -> None:
    until = datetime.now(UTC) + timedelta(minutes=5)
    venues = [f"venue-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda venue: note_cooldown(home, venue, until), venues))
    assert orjson.loads(home.rest_file.read_bytes()) == dict.fromkeys(venues, until.isoformat())


@pytest.mark.parametrize("spec", ["server_error:2:503@get_instruments", "reset:1@get_instruments"])
def test_a_request_with_a_limit_of_its_own_keeps_it_in_its_retries(run_on: NextDay, spec: str) -> None:
    day = run_on(Fault(spec, Expected()), Group(("deribit",), ("bybit",)))
    assert day.outcome("deribit").status == "ok"
    assert len([one for one in day.requests_to("deribit") if "get_instruments" in one.path]) == len(day.hits("deribit")) + 1
    assert_rate_is_respected(day)
