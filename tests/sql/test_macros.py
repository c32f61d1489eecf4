"""Table macros: which snapshot, venues, expiries and strikes an argument picks (architecture, Tables; definitions §1, §5)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest

from models.contracts.registry import TABLES
from models.market.calendar import TradingCalendar
from tests.chains import chain, listed
from tests.loads import Loader
from tests.small_warehouse import FIRST, LAST, SECOND, THIRD_FRIDAY_AM, THIRD_FRIDAY_PM, snapshot_id
from warehouse.catalog.macros import MACROS


@pytest.fixture
def call(warehouse: duckdb.DuckDBPyConnection) -> Any:
    """`call("max_pain", "COIN", venues="okx")` gives the rows of a macro."""

    def rows(macro: str, underlying: str = "COIN", **arguments: Any) -> pl.DataFrame:
        named = ", ".join(f"{name} := ${name}" for name in arguments)
        return warehouse.execute(f"from {macro}($underlying{', ' + named if named else ''})", {"underlying": underlying, **arguments}).pl()

    return rows


# Each call plans a whole mart: all but every third macro are left to `make test-all`.
SOME_QUICK = [pytest.param(macro, marks=[pytest.mark.slow] if number % 3 else []) for number, macro in enumerate(MACROS)]


@pytest.mark.parametrize("macro", MACROS)
def test_a_macro_has_the_columns_and_types_of_its_mart(warehouse: duckdb.DuckDBPyConnection, call: Any, macro: str) -> None:
    mart = warehouse.execute(f"from {MACROS[macro][0]} limit 0").pl()
    assert call(macro).schema == mart.schema
    assert call(macro).columns == TABLES[MACROS[macro][0]].column_names()


@pytest.mark.parametrize("macro", SOME_QUICK)
def test_an_unknown_underlying_has_no_rows(call: Any, macro: str) -> None:
    assert call(macro, "NOTHING").is_empty()
    assert call(macro, "IDX", venues="deribit").is_empty()
    assert call(macro, "COIN", as_of=FIRST - timedelta(days=1)).is_empty()


@pytest.mark.parametrize("macro", SOME_QUICK)
def test_rows_come_sorted_by_key(call: Any, macro: str) -> None:
    rows = call(macro)
    assert rows.equals(rows.sort(TABLES[MACROS[macro][0]].primary_key()))


def test_the_underlying_may_be_written_small(call: Any) -> None:
    assert call("max_pain", "coin").equals(call("max_pain", "COIN"))


def test_as_of_takes_the_last_snapshot_until_then(call: Any) -> None:
    def taken(as_of: Any) -> str:
        return str(call("max_pain_pooled", as_of=as_of)["snapshot_id"].item())

    assert taken(FIRST.replace(tzinfo=None)) == snapshot_id("COIN", FIRST), "at its very second"
    assert taken("2026-03-02 22:59:59") == snapshot_id("COIN", FIRST)
    assert taken("2026-03-02T23:00:00") == snapshot_id("COIN", SECOND)
    assert taken(date(2030, 1, 1)) == snapshot_id("COIN", LAST)


def test_complete_only_passes_over_snapshots_that_miss_a_venue(call: Any) -> None:
    assert call("max_pain_pooled")["snapshot_id"].item() == snapshot_id("COIN", LAST)
    assert call("max_pain_pooled", complete_only=True)["snapshot_id"].item() == snapshot_id("COIN", FIRST)


@pytest.mark.parametrize("macro", SOME_QUICK)
def test_a_venue_is_read_from_the_last_snapshot_that_has_it(call: Any, macro: str) -> None:
    assert set(call(macro, venues="okx")["snapshot_id"]) == {snapshot_id("COIN", SECOND)}
    assert set(call(macro, venues=["bybit"])["snapshot_id"]) == {snapshot_id("COIN", FIRST)}
    assert set(call(macro, venues="bybit,deribit")["snapshot_id"]) == {snapshot_id("COIN", LAST)}, "one of those asked is enough"


@pytest.mark.parametrize(
    ("venues", "name"),
    [
        (None, "all"),
        ("okx", "okx"),
        ("okx,deribit", "deribit+okx"),
        ("Deribit, OKX", "deribit+okx"),
        (["okx", "deribit", "okx"], "deribit+okx"),
        (["bybit", "okx", "deribit"], "bybit+deribit+okx"),
        (["okx", "binance"], "okx"),
    ],
    ids=str,
)
@pytest.mark.slow
def test_scope_venue_names_the_venues_that_are_there(call: Any, venues: Any, name: str) -> None:
    for macro in MACROS:
        assert set(call(macro, venues=venues, as_of=FIRST.replace(tzinfo=None))["scope_venue"]) == {name}


def test_spot_is_that_of_the_requested_venues(call: Any) -> None:
    def spot(venues: Any) -> float:
        return float(call("max_pain_pooled", venues=venues, as_of=FIRST.replace(tzinfo=None))["spot"].item())

    assert (spot("deribit"), spot("okx"), spot("bybit")) == (101.5, 101.1, 101.9)
    assert (spot(None), spot("deribit,okx")) == (101.5, pytest.approx(101.3))


def test_strike_and_moneyness_ranges_include_their_ends(call: Any) -> None:
    def strikes(**arguments: Any) -> list[float]:
        return list(call("gex_profile", "IDX", **arguments)["strike"])

    assert strikes() == [90, 95, 100, 105, 110]
    assert strikes(strike_min=95, strike_max=105) == [95, 100, 105]
    assert strikes(strike_min=95.01) == [100, 105, 110]
    assert strikes(moneyness_min=0.95, moneyness_max=1.05) == [95, 100, 105]
    assert strikes(window_pct=5) == [95, 100, 105]
    assert strikes(window_pct=4.99) == [100]
    assert strikes(strike_min=200) == []


def test_expiry_and_days_to_expiry_choose_expiries(call: Any) -> None:
    def instants(**arguments: Any) -> list[Any]:
        return list(call("max_pain", "IDX", **arguments)["expires_at"])

    everything = instants()
    assert everything[-2:] == [THIRD_FRIDAY_AM, THIRD_FRIDAY_PM]
    assert instants(expires_at=THIRD_FRIDAY_AM) == [THIRD_FRIDAY_AM]
    assert instants(expires_at="2026-03-20 20:00:00") == [THIRD_FRIDAY_PM]
    assert instants(dte_max=4) == everything[:1]
    assert instants(dte_min=5) == everything[1:]
    assert instants(dte_min=18, dte_max=18) == everything[1:]
    assert instants(expiry=date(2026, 3, 6)) == everything[:1]
    assert instants(expiry="2026-03-07") == []


def test_a_date_pools_am_and_pm_before_pain_and_levels(call: Any) -> None:
    am, pm = (call("max_pain", "IDX", expires_at=instant).row(0, named=True) for instant in (THIRD_FRIDAY_AM, THIRD_FRIDAY_PM))
    both = call("max_pain", "IDX", expiry="2026-03-20").row(0, named=True)
    assert both["call_oi"] == am["call_oi"] + pm["call_oi"]
    assert (am["max_pain_strike"], pm["max_pain_strike"], both["max_pain_strike"]) == (100, 110, 105), "of the sum, not of either"
    assert both["expires_at"] == THIRD_FRIDAY_PM, "the instant with the most open interest stands for the date"
    cells = call("gex_heatmap", "IDX", expiry="2026-03-20")
    assert cells.height == cells["strike"].n_unique() == 5
    walls = call("gex_levels", "IDX", expiry="2026-03-20").filter(scope_expiry="all").row(0, named=True)
    assert walls["net_gex_usd_1pct"] == cells["net_gex_usd_1pct"].sum()
    parts = pl.concat([call("gex_heatmap", "IDX", expires_at=instant) for instant in (THIRD_FRIDAY_AM, THIRD_FRIDAY_PM)])
    assert walls["net_gex_usd_1pct"] == parts["net_gex_usd_1pct"].sum()
    by_strike = parts.group_by("strike").agg(pl.col("net_gex_usd_1pct").sum()).filter(pl.col("strike") > 100).sort("net_gex_usd_1pct")
    assert walls["call_resistance"] == by_strike["strike"][-1]


def test_of_two_instants_with_equal_open_interest_the_pm_one_represents_the_date(
    work: duckdb.DuckDBPyConnection, calendar: TradingCalendar
) -> None:
    rows = [
        row
        for expires_at, root in ((THIRD_FRIDAY_AM, "IDX"), (THIRD_FRIDAY_PM, "IDXW"))
        for strike in (95, 105)
        for row in listed(strike, call=7, put=7, expires_at=expires_at, root=root)
    ]
    Loader(work, calendar)(chain(rows, underlying="IDX"))
    assert work.execute("select expires_at, total_oi from max_pain('IDX', expiry := '2026-03-20')").fetchall() == [(THIRD_FRIDAY_PM, 5600)]


@pytest.mark.parametrize("macro", MACROS)
def test_every_macro_is_documented(warehouse: duckdb.DuckDBPyConnection, macro: str) -> None:
    query = "select distinct comment from duckdb_functions() where function_name = ? and schema_name = 'main' and database_name = 'work'"
    ((comment,),) = warehouse.execute(query, [macro]).fetchall()
    assert MACROS[macro][0] in comment
    for argument in (
        "underlying",
        "as_of",
        "venues",
        "expiry",
        "expires_at",
        "dte_min",
        "strike_max",
        "moneyness_min",
        "window_pct",
        "complete_only",
    ):
        assert argument in comment
