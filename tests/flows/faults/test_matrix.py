"""Every fault at every venue, over real HTTP and through the whole run: each row of the table of expected outcomes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime

import orjson
import polars as pl
import pytest

from flows.demo.market.coins import PAIRS, contracts
from flows.demo.venues import Double
from tests.flows.faults.bad_day import (
    OF_A_REPLY,
    UNDERLYING,
    BadDay,
    assert_archive_is_complete,
    assert_failure_is_noted,
    assert_healthy_venue_is_unchanged,
    assert_open_interest_adds_up,
    assert_rate_is_respected,
    assert_rows_add_up,
    run_exit_code,
)
from tests.flows.faults.expected import FAULTS, NONE, SOME, VENUES, WHOLE, Expected, Fault, Group

Run = Callable[[Fault, Group], BadDay]
TOGETHER = [(fault, group) for index, fault in enumerate(FAULTS) for group in fault.together(index)]
ALONE = [(fault, group) for fault in FAULTS for group in fault.alone() if (fault, group) not in TOGETHER]


def named(cases: list[tuple[Fault, Group]]) -> list[object]:
    return [pytest.param(fault, group, id=f"{fault.spec} at {'+'.join(group.bad)}") for fault, group in cases]


def first_of_each_kind(cases: list[object]) -> list[object]:
    """The same cases; all but the first of every sixth kind of fault (`reset`, `huge`, …) are left to `make test-all`."""
    known: set[str] = set()
    chosen = []
    for case in cases:
        fault, group = case.values
        kind = re.split("[:@]", fault.spec)[0]
        chosen.append(pytest.param(fault, group, id=case.id, marks=[pytest.mark.slow] if kind in known or len(known) % 6 else []))
        known.add(kind)
    return chosen


@pytest.mark.parametrize(("fault", "group"), first_of_each_kind(named(TOGETHER)))
def test_a_fault_has_the_outcome_that_the_table_says(run_on: Run, good: BadDay, fault: Fault, group: Group) -> None:
    check(run_on(fault, group), good, fault, group)


@pytest.mark.acceptance
@pytest.mark.parametrize(("fault", "group"), named(ALONE))
def test_a_fault_at_one_venue_alone_has_the_same_outcome(run_on: Run, good: BadDay, fault: Fault, group: Group) -> None:
    check(run_on(fault, group), good, fault, group)


def check(day: BadDay, good: BadDay, fault: Fault, group: Group) -> None:
    """All that is expected of a run."""
    assert day.result.exit_code == run_exit_code([fault.of(venue)[1].exit_code for venue in group.bad])
    assert (day.result.generation, day.result.hold_reason) == (1, None), "what is well is published"
    for venue in group.bad:
        check_bad_venue(day, good, venue, fault.of(venue)[1])
    for venue in group.good:
        assert_healthy_venue_is_unchanged(day, venue, good)
        assert_archive_is_complete(day, venue, lost=0)
    assert_rate_is_respected(day)
    assert_open_interest_adds_up(day)


def check_bad_venue(day: BadDay, good: BadDay, venue: str, expected: Expected) -> None:
    outcome, hits = day.outcome(venue), day.hits(venue)
    error = outcome.error or ""
    assert outcome.status == expected.status, error
    assert all(part in error for part in expected.says), error
    assert bool(error) == (expected.status != "ok")
    assert "\n" not in error and "Traceback" not in error and len(error) < 300
    if expected.status == "failed":
        assert error.startswith(f"{venue}: ")
    row = day.stored["core.snapshot_venues"].filter(venue=venue)
    if row.height or expected.contracts != NONE:
        assert row.select("status", "error", "contracts").rows() == [(expected.status, outcome.error, outcome.contracts)]
    assert expected.warns in " | ".join([*outcome.warnings, *(f"unknown field {name}" for name in outcome.unknown_fields)])

    assert hits
    if expected.hits is not None:
        assert len(hits) == expected.hits, [one.path for one in hits]
    assert_archive_is_complete(day, venue, lost=0 if expected.archived else len(hits))
    is_fetched = expected.status != "failed" or any(part in error for part in ("no row has the field", "lists no options"))
    assert_failure_is_noted(day, venue, is_fetched=is_fetched)
    if expected.rest_s:
        first = hits[0]
        assert next(one.at for one in day.requests_to(venue) if one.at > first.at) - first.at >= expected.rest_s

    if expected.left_alone_s:
        until = datetime.fromisoformat(orjson.loads(day.home.rest_file.read_bytes())[venue])
        assert 0 < expected.left_alone_s - (until - datetime.now(UTC)).total_seconds() < 60

    if expected.status != "failed":
        assert_rows_add_up(day, venue)
    assert_contracts(day, good, venue, expected)


def assert_contracts(day: BadDay, good: BadDay, venue: str, expected: Expected) -> None:
    """The venue's contracts against those of a good day."""
    ours, theirs = day.quotes(venue), good.quotes(venue)
    refused = day.stored["ops.rejected_rows"].filter(venue=venue, is_row_kept=False)
    assert set(refused["reason"]) <= set(expected.reasons) and set(refused["reason"]) >= set(expected.reasons[:1])
    if expected.contracts == WHOLE:
        assert ours.drop(OF_A_REPLY).equals(theirs.drop(OF_A_REPLY)), "to the last bit"
    elif expected.contracts == SOME:
        assert 0 < ours.height <= theirs.height
        both = ours.join(theirs, on="instrument", suffix="_good")
        assert both.height == ours.height, "nothing that is not listed"
        if expected.status == "ok":
            known = both.filter(pl.col("oi_base").is_not_null())
            assert known["oi_base"].equals(known["oi_base_good"], check_names=False)
            total = day.stored["core.snapshot_venues"].filter(venue=venue)["oi_base_total"].item()
            assert total == pytest.approx(math.fsum(known["oi_base"]), abs=1e-6)
        if refused.height:
            assert set(refused["instrument"]).isdisjoint(ours["instrument"]), "what is refused does not come back"
            assert set(ours["instrument"]) | set(refused["instrument"]) == set(theirs["instrument"]), "and nothing else is gone"
    elif expected.contracts == NONE:
        assert ours.filter(pl.col("snapshot_id").is_in(good.quotes(venue)["snapshot_id"].unique().to_list())).is_empty()


def test_a_good_day_is_the_market_itself(good: BadDay, fault_double: Double) -> None:
    assert good.result.exit_code == 0
    market = fault_double.market
    coins = {
        (one.expires_at.replace(tzinfo=None), one.strike, one.side): one.open_interest for one in contracts(market.crypto(PAIRS["SOL"]))
    }
    shares = {}
    for series in market.us("SPY").series:
        for side, amounts in (("C", series.call_oi), ("P", series.put_oi)):
            for strike, oi in zip(series.expiry.strikes.tolist(), amounts.tolist(), strict=True):
                key = (series.expiry.root, series.expiry.expires_at.replace(tzinfo=None), strike, side)
                shares[key] = 100 * oi
    for venue in VENUES:
        key = ["root", "expires_at", "strike", "option_type"][0 if venue == "cboe" else 1 :]
        totals = good.quotes(venue).group_by(key).agg(pl.col("oi_base").sum())
        truth = shares if venue == "cboe" else coins
        assert set(totals.select(key).rows()) == set(truth), venue
        assert all(math.isclose(row[-1], truth[row[:-1]], abs_tol=1e-6) for row in totals.select(*key, "oi_base").iter_rows()), venue
        assert good.outcome(venue).open_interest == pytest.approx(math.fsum(truth.values()), abs=1e-6)
        assert_rows_add_up(good, venue)
        assert_archive_is_complete(good, venue, lost=0)
    assert {one.fault for one in good.requests} == {None}
    assert_rate_is_respected(good)
    assert {UNDERLYING[venue] for venue in VENUES} == set(good.stored["core.snapshot_venues"]["underlying"])
