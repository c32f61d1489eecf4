"""A macro computes what the marts would hold if the warehouse had only the venues, expiries and strikes asked for."""

from __future__ import annotations

from datetime import date, datetime
from itertools import combinations
from typing import Any

import duckdb
import polars as pl
import pytest

from models.contracts.registry import TABLES
from models.market.calendar import TradingCalendar
from tests.chains import SETTINGS, run_rows
from tests.small_warehouse import FIRST, THIRD_FRIDAY_PM, coin, coin_elsewhere
from tests.sql.compare import assert_frames
from tests.sql.relations import run_relation
from warehouse.catalog.macros import MACROS
from warehouse.load.compute import compute_snapshot

VENUES = ("bybit", "deribit", "okx")
SUBSETS = [subset for size in (1, 2, 3) for subset in combinations(VENUES, size)]
THEN = FIRST.replace(tzinfo=None)
STRIKE_FILTERS = ("strike_min", "strike_max", "moneyness_min", "moneyness_max", "window_pct")


def macro_rows(con: duckdb.DuckDBPyConnection, macro: str, underlying: str, **arguments: Any) -> pl.DataFrame:
    named = "".join(f", {name} := ${name}" for name in arguments)
    return con.execute(f"from {macro}($underlying{named})", {"underlying": underlying, **arguments}).pl()


def assert_macro_equals(con: duckdb.DuckDBPyConnection, macro: str, expected: pl.DataFrame, underlying: str, **arguments: Any) -> None:
    contract = TABLES[MACROS[macro][0]]
    assert_frames(macro_rows(con, macro, underlying, **arguments), expected.select(contract.column_names()), key=contract.primary_key())


@pytest.mark.parametrize(
    "subset", [pytest.param(subset, id="+".join(subset), marks=[pytest.mark.slow] if len(subset) == 2 else []) for subset in SUBSETS]
)
def test_any_subset_of_venues_equals_a_snapshot_of_only_these(
    warehouse: duckdb.DuckDBPyConnection, calendar: TradingCalendar, subset: tuple[str, ...]
) -> None:
    rows = run_rows(coin(FIRST), *coin_elsewhere(FIRST), calendar=calendar)
    is_in = pl.col("venue").is_in(subset)
    tables = compute_snapshot(rows.venues.filter(is_in), rows.quotes.filter(is_in), calendar=calendar, settings=SETTINGS).tables
    scope = "all" if len(subset) > 1 else subset[0]
    for macro, (mart, _) in MACROS.items():
        rows_of_scope = tables[mart].filter(scope_venue=scope) if "scope_venue" in TABLES[mart].primary_key() else tables[mart]
        expected = rows_of_scope.with_columns(scope_venue=pl.lit("+".join(subset)))
        assert_macro_equals(warehouse, macro, expected, "COIN", venues=list(subset), as_of=THEN)


@pytest.mark.parametrize("macro", MACROS)
@pytest.mark.parametrize("underlying", ["COIN", "IDX"])
def test_without_filters_a_macro_is_the_mart_of_all_venues(warehouse: duckdb.DuckDBPyConnection, macro: str, underlying: str) -> None:
    mart = MACROS[macro][0]
    rows = warehouse.execute(f"from {mart} where underlying = ? and scope_venue = 'all' and captured_at = ?", [underlying, THEN]).pl()
    assert rows.height
    assert_macro_equals(warehouse, macro, rows, underlying, as_of=THEN)


def stored(con: duckdb.DuckDBPyConnection, underlying: str, *, is_strike_filtered: bool = False) -> dict[str, pl.DataFrame]:
    """What marts are made of, of the scope of all venues; a ladder without strikes only where none is left out."""
    where = f"snapshot_id in (select snapshot_id from core.snapshots where underlying = '{underlying}' and captured_at = ?)"
    scoped = dict.fromkeys(("core.scopes", "marts.gex_heatmap"), f"{where} and scope_venue = 'all'")
    plain = dict.fromkeys(("core.gamma_ladder", "core.expiry_smile"), where)
    tables = {name: con.execute(f"from {name} where {clause}", [THEN]).pl() for name, clause in (scoped | plain).items()}
    for name in scoped:
        tables[name] = tables[name].with_columns(is_only_venue=pl.lit(False))
    tables["core.scopes"] = tables["core.scopes"].with_columns(
        is_strike_filtered=pl.lit(is_strike_filtered), implied_to_spot=pl.lit(None, dtype=pl.Float64)
    )
    if is_strike_filtered:
        tables["core.gamma_ladder"] = tables["core.gamma_ladder"].clear()
    return tables | {name: con.execute(f"from {name}").pl() for name in ("core.calendar", "core.sessions")}


@pytest.mark.parametrize(
    ("arguments", "filtered"),
    [
        pytest.param({"strike_min": 95.0, "strike_max": 110.0}, pl.col("strike").is_between(95, 110), marks=pytest.mark.slow),
        ({"moneyness_min": 0.93, "dte_max": 5}, (pl.col("strike") >= 0.93 * 101.5) & (pl.col("dte") <= 5)),
        ({"window_pct": 7.5}, (pl.col("strike") - 101.5).abs() <= 0.075 * 101.5),
        pytest.param({"dte_min": 4, "strike_max": 100.0}, (pl.col("dte") >= 4) & (pl.col("strike") <= 100), marks=pytest.mark.slow),
        ({"expiry": date(2026, 3, 13)}, pl.col("expiry") == date(2026, 3, 13)),
        pytest.param({"dte_max": 5}, pl.col("dte") <= 5, marks=pytest.mark.slow),
        pytest.param({"expires_at": datetime(2026, 3, 13, 8)}, pl.col("expires_at") == datetime(2026, 3, 13, 8), marks=pytest.mark.slow),
        pytest.param({"strike_min": 500.0}, pl.lit(False), marks=pytest.mark.slow),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("macro", MACROS)
def test_filters_apply_to_cells_before_sums_ranks_and_levels(
    warehouse: duckdb.DuckDBPyConnection, macro: str, arguments: dict[str, Any], filtered: pl.Expr
) -> None:
    given = stored(warehouse, "COIN", is_strike_filtered=not arguments.keys().isdisjoint(STRIKE_FILTERS))
    given["marts.gex_heatmap"] = given["marts.gex_heatmap"].filter(filtered)
    is_in_scope = pl.col("expires_at").is_in(given["marts.gex_heatmap"]["expires_at"].unique().to_list())
    given["core.gamma_ladder"] = given["core.gamma_ladder"].filter(is_in_scope)
    expected = run_relation(MACROS[macro][0], given)
    assert_macro_equals(warehouse, macro, expected, "COIN", as_of=THEN, **arguments)


def test_a_request_by_date_is_the_sum_of_its_instants_under_one_key(warehouse: duckdb.DuckDBPyConnection) -> None:
    given = stored(warehouse, "IDX")
    pm = pl.lit(THIRD_FRIDAY_PM).cast(pl.Datetime("us")).alias("expires_at")
    cells = given["marts.gex_heatmap"].filter(expiry=date(2026, 3, 20)).with_columns(pm)
    is_of_that_day = pl.col("expires_at").dt.date() == date(2026, 3, 20)
    given["core.gamma_ladder"] = given["core.gamma_ladder"].filter(is_of_that_day).with_columns(pm)
    labels = [
        name
        for name in cells.columns
        if cells[name].dtype.is_temporal() or cells[name].dtype == pl.String or name in ("strike", "dte", "is_only_venue")
    ]
    given["marts.gex_heatmap"] = cells.group_by(labels).agg(pl.exclude(labels).sum())
    for macro in MACROS.keys() - {"gex_heatmap"}:
        assert_macro_equals(warehouse, macro, run_relation(MACROS[macro][0], given), "IDX", expiry="2026-03-20")
