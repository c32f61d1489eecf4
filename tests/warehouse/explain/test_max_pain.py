"""Max pain explained: equal to the marts, and other conventions equal to their own brute force."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest

from tests.small_warehouse import FIRST, THIRD_FRIDAY_AM, THIRD_FRIDAY_PM
from tests.warehouse.explain.conftest import input_value, other, rows
from warehouse.client.warehouse import Warehouse

THIRD_FRIDAY = date(2026, 3, 20)


def brute_force(contracts: pl.DataFrame, *, size: str = "oi_base", swapped: bool = False) -> dict[float, float]:
    """Pain at every strike, every contract looked at each time."""
    quoted = contracts.with_columns(pl.col(size).fill_null(0))
    pain = {}
    for level in sorted(set(quoted["strike"])):
        calls = quoted.filter((pl.col("option_type") == "C") != swapped)
        puts = quoted.filter((pl.col("option_type") == "P") != swapped)
        paid = sum((level - strike) * oi for strike, oi in calls.select("strike", size).rows() if strike < level)
        pain[level] = paid + sum((strike - level) * oi for strike, oi in puts.select("strike", size).rows() if strike > level)
    return pain


def lowest(pain: dict[float, float]) -> float:
    return min(pain, key=lambda strike: (round(pain[strike], 6), strike))


@pytest.fixture(scope="module")
def quotes(wh: Warehouse) -> Callable[[str], pl.DataFrame]:
    """Live contracts of the first snapshot of an underlying."""
    stamp = f"{FIRST:%Y%m%dT%H%M%SZ}"
    return lambda name: wh.table("core.option_quotes").filter((pl.col("snapshot_id") == f"{name}-{stamp}") & pl.col("is_live"))


@pytest.mark.parametrize("filters", [{}, {"expiry": THIRD_FRIDAY}, {"expires_at": THIRD_FRIDAY_AM}, {"expires_at": THIRD_FRIDAY_PM}])
def test_it_is_the_number_of_the_mart(wh: Warehouse, filters: dict[str, Any]) -> None:
    explanation = wh.explain("max-pain", "IDX", **filters)
    mart = wh.max_pain("IDX", **filters) if filters else wh.max_pain_pooled("IDX")
    row = mart.row(0, named=True)
    assert explanation.number.value == row["max_pain_strike"]
    for name in ("max_pain_usd", "max_pain_low", "max_pain_high", "call_oi", "put_oi", "distance_pct", "spot"):
        assert input_value(explanation, name) == row[name]


def test_the_curve_shown_is_that_of_the_mart(wh: Warehouse) -> None:
    explanation = wh.explain("max-pain", "COIN", expiry="2026-03-06", as_of=FIRST)
    curve = {row["strike"]: row for row in wh.pain_curve("COIN", expiry="2026-03-06", as_of=FIRST).rows(named=True)}
    near = rows(explanation, "The curve")
    assert len(near) == 3 and near[1]["strike"] == explanation.number.value
    for row in near:
        assert {name: row[name] for name in ("call_pain_usd", "put_pain_usd", "total_pain_usd")} == {
            name: curve[row["strike"]][name] for name in ("call_pain_usd", "put_pain_usd", "total_pain_usd")
        }
        assert row["slope_above"] - row["slope_below"] == pytest.approx((row["call_oi"] or 0) + (row["put_oi"] or 0))


def test_pain_at_spot_is_the_formula_at_spot(wh: Warehouse, quotes: Callable[[str], pl.DataFrame]) -> None:
    own = quotes("COIN").filter(pl.col("expiry") == date(2026, 3, 6))
    explanation = wh.explain("max-pain", "COIN", expiry="2026-03-06", as_of=FIRST)
    spot = input_value(explanation, "spot")
    assert isinstance(spot, float)
    at_spot = own.with_columns(
        paid=pl.when(pl.col("option_type") == "C").then(spot - pl.col("strike")).otherwise(pl.col("strike") - spot).clip(0) * pl.col("oi_base")
    )  # fmt: skip
    assert input_value(explanation, "pain_at_spot_usd") == pytest.approx(at_spot["paid"].sum(), rel=1e-12)


def test_other_conventions_are_their_own_brute_force(wh: Warehouse, quotes: Callable[[str], pl.DataFrame]) -> None:
    chain = quotes("IDX").with_columns(contracts=pl.col("oi_base") / pl.col("multiplier"))
    dated = chain.filter(pl.col("expiry") == THIRD_FRIDAY)
    explanation = wh.explain("max-pain", "IDX", expiry=THIRD_FRIDAY)
    expected = {
        "reversed": lowest(brute_force(dated, swapped=True)),
        "contracts": lowest(brute_force(dated, size="contracts")),
        "flashalpha": lowest(brute_force(dated)),
        "backquant": lowest(brute_force(dated)),
        "pooled": lowest(brute_force(chain)),
        "root-IDX": lowest(brute_force(dated.filter(pl.col("root") == "IDX"))),
        "root-IDXW": lowest(brute_force(dated.filter(pl.col("root") == "IDXW"))),
    }
    assert {name: other(explanation, name).value for name in expected} == expected
    assert len(set(expected.values())) > 2, "the conventions are told apart by this chain"


def test_both_settlements_of_a_date_are_shown_with_the_pool(wh: Warehouse) -> None:
    explanation = wh.explain("max-pain", "IDX", expiry=THIRD_FRIDAY)
    alone = wh.max_pain("IDX").filter(pl.col("expiry") == THIRD_FRIDAY)
    each_alone = [(row["expires_at"], row["max_pain_strike"], row["max_pain_usd"]) for row in rows(explanation, "Each settlement")]
    assert each_alone == alone.select("expires_at", "max_pain_strike", "max_pain_usd").rows()
    one = wh.explain("max-pain", "IDX", expires_at=THIRD_FRIDAY_AM)
    assert not [table for table in one.tables if table.title.startswith("Each settlement")]
    assert other(one, "flashalpha").value == explanation.number.value, "the dialects pool the date"


def test_venues_share_the_pain_and_have_their_own_minimum(wh: Warehouse, quotes: Callable[[str], pl.DataFrame]) -> None:
    own = quotes("COIN").filter(pl.col("expiry") == date(2026, 3, 6))
    explanation = wh.explain("max-pain", "COIN", expiry="2026-03-06", as_of=FIRST)
    parts = rows(explanation, "Each venue")
    assert [row["venue"] for row in parts] == ["bybit", "deribit", "okx"]
    assert sum(row["pain_usd"] for row in parts) == pytest.approx(input_value(explanation, "max_pain_usd"), rel=1e-12)
    for row in parts:
        alone = own.filter(pl.col("venue") == row["venue"])
        assert other(explanation, f"venue-{row['venue']}").value == lowest(brute_force(alone))


def test_of_some_venues_only_they_count(wh: Warehouse) -> None:
    explanation = wh.explain("max-pain", "COIN", expiry="2026-03-13", as_of=FIRST, venues="okx,deribit")
    assert (
        explanation.number.value == wh.max_pain("COIN", expiry="2026-03-13", as_of=FIRST, venues=["deribit", "okx"])["max_pain_strike"][0]
    )
    assert {row["venue"] for row in explanation.contracts} <= {"deribit", "okx"}
    assert explanation.scope.scope_venue == "deribit+okx"


def test_without_an_expiry_the_pool_says_what_it_is(wh: Warehouse) -> None:
    explanation = wh.explain("max-pain", "COIN", as_of=FIRST)
    assert "no settlement event" in (explanation.number.note or "")
    assert other(explanation, "flashalpha").value == explanation.number.value
    assert other(explanation, "backquant").value == wh.max_pain("COIN", as_of=FIRST)["max_pain_strike"][0]
