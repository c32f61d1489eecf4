"""Load: what is loaded twice changes nothing, of several loads the one received last wins, and order never matters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import duckdb
import polars as pl
import pytest

from models.errors import WarehouseError
from models.market.calendar import TradingCalendar
from tests.chains import REJECTED_SCHEMA, SETTINGS, chain, on_venue, run_rows
from tests.loads import LATER, Loader, xyz
from tests.small_warehouse import FIRST, coin, coin_elsewhere
from warehouse.home.paths import Home
from warehouse.load.fingerprints import table_hashes
from warehouse.load.merge import load_snapshot
from warehouse.settings import Settings
from warehouse.storage.transactions import is_unpublished
from warehouse.storage.work_file import open_work


def test_the_same_load_twice_changes_nothing(load: Loader) -> None:
    assert load(xyz()).is_changed
    before = load.hashes()
    again = load(xyz())
    assert not again.is_changed
    assert load.hashes() == before
    assert again.venues["status"].to_list() == ["ok"]


def test_the_same_replies_from_a_later_run_change_nothing_not_even_the_run(load: Loader) -> None:
    load(xyz(), run_id="run-1")
    before = load.hashes()
    assert not load(xyz(late=LATER), run_id="run-2").is_changed
    assert load.hashes() == before
    assert load.one("select run_id from core.snapshots") == "run-1"


def test_the_same_replies_belong_to_the_run_that_had_them_first_whichever_loads_first(load: Loader) -> None:
    load(xyz(late=LATER), run_id="run-2")
    load(xyz(), run_id="run-1")
    assert load.rows("select run_id, received_at from core.snapshot_venues") == [("run-1", xyz().received_at.replace(tzinfo=None))]
    before = load.hashes()
    load(xyz(late=LATER), run_id="run-2")
    assert load.hashes() == before


def test_of_several_loads_the_one_received_last_wins(load: Loader) -> None:
    load(xyz(), run_id="run-1")
    assert load(xyz(7, late=LATER), run_id="run-2").is_changed
    assert load.one("select call_oi_contracts from marts.max_pain_pooled where scope_venue = 'all'") == 45 + 50 + 55 + 3 * 7
    assert load.one("select run_id from core.snapshots") == "run-2"


def test_a_load_received_earlier_comes_too_late(load: Loader) -> None:
    load(xyz(7, late=LATER), run_id="run-2")
    before = load.hashes()
    assert not load(xyz(), run_id="run-1").is_changed
    assert load.hashes() == before


def test_a_contract_that_a_later_reply_does_not_list_is_gone(load: Loader) -> None:
    load(xyz())
    load(xyz(strikes=(95, 105), late=LATER))
    for table in ("core.option_quotes", "core.option_greeks"):
        assert load.one(f"select count(*) from {table}") == 4
    assert load.con.execute("select strike from marts.pain_curve where scope_venue = 'all' order by all").fetchall() == [(95,), (105,)]


def test_a_failed_venue_leaves_the_others_and_makes_the_snapshot_partial(load: Loader) -> None:
    done = load(coin(FIRST), failed={"okx": "okx: HTTP 503. Try later"})
    assert done.venues.select("venue", "status", "error").rows() == [("deribit", "ok", None), ("okx", "failed", "okx: HTTP 503. Try later")]
    row = load.con.execute("select status, venues, venues_missing from core.snapshots").fetchone()
    assert row == ("partial", "deribit", "okx")
    assert load.one("select count(distinct scope_venue) from marts.max_pain") == 2, "all, and the venue that is there"


def test_a_venue_that_comes_later_completes_the_snapshot(load: Loader) -> None:
    _, okx = coin_elsewhere(FIRST)
    load(coin(FIRST), failed={"okx": "okx: HTTP 503. Try later"})
    load(okx, run_id="run-2")
    assert load.con.execute("select status, venues, venues_missing, run_id from core.snapshots").fetchone() == (
        "complete",
        "deribit,okx",
        "",
        "run-2",
    )
    together = load.hashes()
    load.con.execute("begin")
    for name in ("core.snapshots", "core.snapshot_venues"):
        load.con.execute(f"update {name} set run_id = 'run-1'")
    changed = {key for key, value in load.hashes().items() if value != together[key]}
    load.con.execute("rollback")
    assert {name for name, _ in changed} == {"core.snapshots", "core.snapshot_venues"}


@pytest.mark.slow
def test_venues_loaded_apart_or_together_give_the_same_rows(
    load: Loader, calendar: TradingCalendar, tmp_path: Any, settings: Settings
) -> None:
    bybit, okx = coin_elsewhere(FIRST)
    for one in (okx, coin(FIRST), bybit):
        load(one)
    with open_work(Home(tmp_path / "other"), settings, "test") as con:
        other = Loader(con, calendar)
        other(coin(FIRST), bybit, okx)
        assert other.hashes() == load.hashes()


def test_a_failure_does_not_take_away_what_was_loaded(load: Loader) -> None:
    load(coin(FIRST), *coin_elsewhere(FIRST))
    before = load.hashes()
    load(coin(FIRST), failed={"okx": "okx: HTTP 503. Try later", "bybit": "bybit: no connection"}, run_id="run-2")
    assert load.hashes() == before


@pytest.mark.parametrize("column", ["strike", "row_number"])
def test_a_load_that_fails_leaves_everything_as_it_was(home: Home, settings: Settings, calendar: TradingCalendar, column: str) -> None:
    with open_work(home, settings, "test") as con:
        load = Loader(con, calendar)
        load(xyz())
        before = load.hashes()
    rows = run_rows(xyz(3, late=LATER), calendar=calendar, run_id="run-2")
    broken = rows.quotes.with_columns(pl.when(pl.col("instrument").str.contains("100")).then(None).otherwise(column).alias(column))
    with pytest.raises((WarehouseError, pl.exceptions.PolarsError, TypeError)), open_work(home, settings, "test") as con:
        load_snapshot(con, replace(rows, quotes=broken), calendar=calendar, settings=settings)
    with open_work(home, settings, "test") as con:
        assert table_hashes(con) == before


@pytest.mark.slow
def test_snapshots_in_any_order_give_the_same_rows(load: Loader, calendar: TradingCalendar, tmp_path: Any, settings: Settings) -> None:
    whole = range(60, 141, 2)
    sessions = [
        (xyz(0, hours=0, strikes=whole), "run-0"),
        (xyz(0, hours=3, strikes=whole), "run-1"),  # a repeat of the first
        (xyz(0, hours=20, strikes=whole[::4]), "run-2"),  # most contracts are gone
        (xyz(4, hours=24, strikes=whole), "run-3"),
    ]
    for one, run_id in sessions:
        load(one, run_id=run_id)
    in_order = load.hashes()
    assert load.rows("select error from core.snapshot_venues order by captured_at") == [
        (None,),
        (None,),
        ("live_contracts_halved",),
        (None,),
    ]
    assert load.rows("select is_repeat from core.snapshots order by captured_at") == [(False,), (True,), (False,)]
    results = "select * exclude (example) from ops.check_results order by all"
    with open_work(Home(tmp_path / "other"), settings, "test") as con:
        other = Loader(con, calendar)
        for index in (2, 0, 3, 1):
            other(sessions[index][0], run_id=sessions[index][1])
        assert other.hashes() == in_order
        assert other.rows(results) == load.rows(results)


def test_refused_rows_are_stored_with_reason_and_value(work: duckdb.DuckDBPyConnection, calendar: TradingCalendar) -> None:
    refused = pl.DataFrame(
        [{"payload_sha256": "0" * 64, "row_number": 17, "instrument": "XYZ260313C00100000", "reason": "negative", "column": "open_interest", "value": "-5", "is_row_kept": True},
         {"payload_sha256": "0" * 64, "row_number": 18, "instrument": None, "reason": "bad_name", "column": "option", "value": "XYZ", "is_row_kept": False}],
        schema=REJECTED_SCHEMA,
    )  # fmt: skip
    one = chain(xyz().quotes.drop("oi_base").with_columns(oi_base=pl.lit(5.0)).to_dicts(), rejected=refused)
    rows = run_rows(one, calendar=calendar)
    load_snapshot(work, rows, calendar=calendar, settings=SETTINGS)
    rejected = work.execute(
        "select snapshot_id, venue, underlying, row_number, instrument, reason, field, value, is_row_kept from ops.rejected_rows order by row_number"
    )
    assert rejected.fetchall() == [
        (rows.snapshot_id, "cboe", "XYZ", 17, "XYZ260313C00100000", "negative", "open_interest", "-5", True),
        (rows.snapshot_id, "cboe", "XYZ", 18, None, "bad_name", "option", "XYZ", False),
    ]
    assert work.execute("select rejected_rows from core.snapshot_venues").fetchall() == [(1,)], "one row is left out, one only lost a value"
    load_snapshot(work, rows, calendar=calendar, settings=SETTINGS)
    assert work.execute("select count(*) from ops.rejected_rows").fetchall() == [(2,)]


def test_a_load_is_unpublished_until_it_is_published(load: Loader) -> None:
    load.con.execute("delete from main.unpublished")
    load(xyz())
    assert is_unpublished(load.con)
    load.con.execute("delete from main.unpublished")
    load(xyz())
    assert not is_unpublished(load.con)


def test_each_venue_keeps_what_it_gave(load: Loader) -> None:
    load(coin(FIRST), on_venue(coin(FIRST), "okx", spot=90.0, times=3))
    rows = load.con.execute(
        "select venue, spot, spot_source, contracts, live_contracts, oi_base_total, captured_at from core.snapshot_venues order by all"
    )
    (deribit, okx) = rows.fetchall()
    assert (deribit[0], deribit[1], okx[1], deribit[2]) == ("deribit", 101.5, 90.0, "index")
    assert (deribit[3], deribit[4]) == (36, 36)
    assert okx[5] == 3 * deribit[5]
    assert load.one("select spot from core.snapshots") == (101.5 + 90) / 2
