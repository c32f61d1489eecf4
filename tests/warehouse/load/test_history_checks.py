"""Phase 2: what a snapshot owes to those before it. Repeats, and venues that lost most of their chain, are found in any order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import duckdb
import pytest

from models.market.calendar import TradingCalendar
from tests.chains import on_venue
from tests.loads import LATER, Loader, xyz
from tests.small_warehouse import FIRST, SECOND, coin
from warehouse.catalog.parameters import parameters_frame
from warehouse.load import history_checks
from warehouse.settings import CheckSettings, Settings
from warehouse.storage.work_file import replace_table

WHOLE = range(80, 121, 2)  # 21 strikes
FEW = range(80, 121, 4)  # 11 of them: a little more than half
FEWER = range(80, 100, 2)  # 10: less than half


VENUES = "select status, error from core.snapshot_venues order by captured_at"


def test_half_of_the_contracts_gone_sets_the_snapshot_aside_and_the_next_good_one_is_fine(load: Loader) -> None:
    load(xyz(strikes=WHOLE))
    aside = load(xyz(strikes=FEWER, hours=1))
    assert aside.venues.select("status", "error").row(0) == ("rejected", "live_contracts_halved")
    (result,) = aside.check_results.iter_rows(named=True)
    assert (result["check_name"], result["severity"], result["venue"], result["rows"]) == ("live_contracts_halved", "required", "cboe", 1)
    assert '"previous_live_contracts":42' in result["example"]
    load(xyz(strikes=WHOLE, hours=2))
    assert load.rows(VENUES) == [("ok", None), ("rejected", "live_contracts_halved"), ("ok", None)]
    assert load.one("select count(*) from core.snapshots") == 2
    assert load.one("select count(distinct snapshot_id) from marts.max_pain") == 2
    assert load.one("select count(distinct snapshot_id) from core.option_quotes") == 3, "its contracts are kept"


def test_a_little_more_than_half_is_enough(load: Loader) -> None:
    load(xyz(strikes=WHOLE))
    assert load(xyz(strikes=FEW, hours=1)).venues["status"].to_list() == ["ok"]


def test_the_share_is_a_setting(work: duckdb.DuckDBPyConnection, calendar: TradingCalendar) -> None:
    lenient = Settings(checks=CheckSettings(min_live_share_of_previous=0.3))
    replace_table(work, "core.parameters", parameters_frame(lenient))
    load = Loader(work, calendar, lenient)
    load(xyz(strikes=WHOLE))
    assert load(xyz(strikes=FEWER, hours=1)).venues["status"].to_list() == ["ok"]


def test_a_snapshot_of_long_ago_says_nothing_about_today(load: Loader) -> None:
    load(xyz(strikes=WHOLE, expiries=3))
    assert load(xyz(strikes=FEWER, expiries=3, hours=24 * 7 + 1)).venues["status"].to_list() == ["ok"]


@pytest.mark.slow
def test_most_expiries_gone_sets_the_snapshot_aside(load: Loader) -> None:
    load(xyz(strikes=range(80, 121, 10), expiries=4))
    assert load(xyz(strikes=range(80, 121, 10), expiries=2, hours=1)).venues["error"].to_list() == ["live_contracts_halved"]
    more_strikes = load(xyz(strikes=WHOLE, expiries=1, hours=2))
    assert more_strikes.venues["error"].to_list() == ["expiries_gone"]
    assert load(xyz(strikes=WHOLE, expiries=2, hours=3)).venues["status"].to_list() == ["ok"], "half of them gone is not most"


def test_expiries_that_have_settled_are_not_missed(load: Loader) -> None:
    load(xyz(strikes=WHOLE, expiries=2))
    later = xyz(strikes=WHOLE, expiries=2, hours=24 * 12)  # the first of the two settled on the 13th
    only_second = later.quotes.filter(later.quotes["expires_at"] > later.venue_instant.replace(tzinfo=None))
    assert only_second.height == later.quotes.height / 2
    checks = Settings(checks=CheckSettings(previous_max_age_days=30, min_live_share_of_previous=0.4))
    replace_table(load.con, "core.parameters", parameters_frame(checks))
    assert load(later).venues["status"].to_list() == ["ok"]


@pytest.mark.slow
def test_contracts_that_have_settled_are_not_missed(load: Loader) -> None:
    load(xyz(strikes=WHOLE, expiries=2))
    after_the_first = 24 * 12  # hours; it settled on the 13th, and with it half of the class
    checks = Settings(checks=CheckSettings(previous_max_age_days=30))
    replace_table(load.con, "core.parameters", parameters_frame(checks))
    done = load(xyz(strikes=WHOLE, expiries=2, hours=after_the_first))
    assert done.venues.select("contracts", "live_contracts", "status").row(0) == (84, 42, "ok")
    half = load(xyz(strikes=FEWER, expiries=2, hours=after_the_first + 1))
    assert half.venues["error"].to_list() == ["live_contracts_halved"], "20 of the 42 that are left"
    assert '"previous_live_contracts":42' in half.check_results["example"][0]


@pytest.mark.slow
def test_only_the_venue_that_fails_is_set_aside(load: Loader) -> None:
    load(coin(FIRST), on_venue(coin(FIRST), "okx", times=3))
    half = on_venue(coin(SECOND, shift=1), "okx")
    half = replace(half, quotes=half.quotes.head(18))
    done = load(coin(SECOND, shift=1), half)
    assert done.venues.select("venue", "status", "error").rows() == [("deribit", "ok", None), ("okx", "rejected", "live_contracts_halved")]
    row = load.rows(f"select status, venues, venues_missing from core.snapshots where snapshot_id = '{done.snapshot_id}'")
    assert row == [("partial", "deribit", "okx")]
    scopes = load.rows(f"select distinct scope_venue from marts.gex_levels where snapshot_id = '{done.snapshot_id}' order by all")
    assert scopes == [("all",), ("deribit",)], "all is rebuilt without it"
    oi = "select sum(total_oi) from marts.max_pain where snapshot_id = '{}' and scope_venue = '{}'"
    assert load.one(oi.format(done.snapshot_id, "all")) == load.one(oi.format(done.snapshot_id, "deribit"))


@pytest.mark.parametrize("few", [pytest.param(16, marks=pytest.mark.slow, id="one by one"), pytest.param(1, id="all at once")])
def test_a_snapshot_that_comes_late_is_judged_and_judges_those_after_it(load: Loader, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(history_checks, "FEW", few)
    load(xyz(strikes=FEWER, hours=2))
    load(xyz(strikes=WHOLE, hours=4))
    assert load.rows(VENUES) == [("ok", None), ("ok", None)]
    load(xyz(strikes=WHOLE, hours=1))
    assert load.rows(VENUES) == [("ok", None), ("rejected", "live_contracts_halved"), ("ok", None)]
    load(xyz(strikes=range(80, 94, 2), hours=1, late=LATER), run_id="run-2")  # a later reply of the first: it was small itself
    assert load.rows(VENUES) == [("ok", None)] * 3, "nothing is wrong with the second any more"
    assert load.rows("select distinct check_name from ops.check_results") == []


REPEATS = "select captured_at, is_repeat, quotes_changed from core.snapshots order by captured_at"


def repeats(load: Loader) -> list[Any]:
    return [(repeat, changed) for _, repeat, changed in load.rows(REPEATS)]


@pytest.mark.slow
def test_the_same_open_interest_in_one_session_is_a_repeat(load: Loader) -> None:
    load(xyz())
    load(xyz(hours=3))
    load(xyz(hours=4, iv=0.31))
    load(xyz(hours=5, iv=0.31, spot=100.5))
    load(xyz(1, hours=6))
    load(xyz(hours=24))
    assert repeats(load) == [
        (False, None),
        (True, False),
        (True, True),  # each against the last one like it
        (True, True),  # another spot is a change of quotes
        (False, None),  # another open interest
        (False, None),  # another session
    ]


def test_a_first_snapshot_that_comes_late_makes_the_others_repeats(load: Loader) -> None:
    load(xyz(hours=3, iv=0.31))
    load(xyz(hours=2))
    load(xyz())
    assert repeats(load) == [(False, None), (True, False), (True, True)]
