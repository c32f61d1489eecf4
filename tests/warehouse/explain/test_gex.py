"""Gamma exposure explained: the contracts add up to the marts, and each convention to its formula contract by contract."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import polars as pl
import pytest

from tests.small_warehouse import FIRST
from tests.warehouse.explain.conftest import input_value, other, rows
from warehouse.client.warehouse import Warehouse

SHORT = datetime(2026, 3, 6, 8)


@pytest.fixture(scope="module")
def contracts(wh: Warehouse) -> pl.DataFrame:
    """Live contracts of COIN's first snapshot with greeks and their venue's spot."""
    return wh.sql(
        "select quotes.*, greeks.* exclude (snapshot_id, venue, instrument), venues.spot from core.option_quotes as quotes "
        "inner join core.option_greeks as greeks using (snapshot_id, venue, instrument) "
        "inner join core.snapshot_venues as venues using (snapshot_id, venue) where snapshot_id = $id",
        {"id": f"COIN-{FIRST:%Y%m%dT%H%M%SZ}"},
    )


@pytest.mark.parametrize("filters", [{}, {"expires_at": SHORT}, {"expiry": "2026-03-13"}, {"venues": ["okx"]}])
def test_it_is_the_number_of_the_marts(wh: Warehouse, filters: dict[str, Any]) -> None:
    explanation = wh.explain("gex", "COIN", as_of=FIRST, **filters)
    row = wh.gex_levels("COIN", as_of=FIRST, **filters).filter(pl.col("scope_expiry") == "all").row(0, named=True)
    assert explanation.number.value == row["net_gex_usd_1pct"]
    assert input_value(explanation, "abs_gex_usd_1pct") == row["abs_gex_usd_1pct"]
    assert sum(one["net_gex_usd_1pct"] for one in rows(explanation, "Venues")) == explanation.number.value


def test_of_a_strike_it_is_the_cell_of_the_heatmap(wh: Warehouse) -> None:
    explanation = wh.explain("gex", "COIN", as_of=FIRST, expires_at=SHORT, strike=105)
    (row,) = wh.gex_heatmap("COIN", as_of=FIRST, expires_at=SHORT).filter(pl.col("strike") == 105).rows(named=True)
    assert (explanation.number.value, input_value(explanation, "call_gex_usd_1pct"), input_value(explanation, "put_gex_usd_1pct")) == (
        row["net_gex_usd_1pct"], row["call_gex_usd_1pct"], row["put_gex_usd_1pct"],
    )  # fmt: skip
    assert sum(one["gex_usd_1pct"] for one in explanation.contracts) == explanation.number.value, (
        "two sides on each of at most three venues"
    )


def test_conventions_are_their_formula_contract_by_contract(wh: Warehouse, contracts: pl.DataFrame) -> None:
    explanation = wh.explain("gex", "COIN", as_of=FIRST)
    lines = [
        (1 if row["option_type"] == "C" else -1, row) for row in contracts.rows(named=True) if row["gamma"] is not None and row["oi_base"] is not None
    ]  # fmt: skip
    formulas = {
        "per-point": lambda row: row["gamma"] * row["oi_base"] * row["spot"],
        "shares-per-point": lambda row: row["gamma"] * row["oi_base"],
        "per-100-percent": lambda row: row["gamma"] * row["oi_base"] * row["spot"] ** 2,
        "at-forward": lambda row: row["gamma"] * row["oi_base"] * row["forward"] ** 2 * 0.01,
    }
    for name, formula in formulas.items():
        expected = math.fsum(sign * formula(row) for sign, row in lines)
        assert float(other(explanation, name).value) == pytest.approx(expected, abs=0.01 * len(lines) * (100 if "100" in name else 1)), name


def test_without_carry_it_is_black_scholes_on_spot(wh: Warehouse, contracts: pl.DataFrame) -> None:
    total = 0.0
    for row in contracts.filter(pl.col("iv").is_not_null() & (pl.col("oi_base") > 0)).rows(named=True):
        width = row["iv"] * math.sqrt(row["tau"])
        d1 = math.log(row["spot"] / row["strike"]) / width + width / 2
        gamma_s2 = row["spot"] * math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) / width
        total += (1 if row["option_type"] == "C" else -1) * gamma_s2 * row["oi_base"] * 0.01
    explanation = wh.explain("gex", "COIN", as_of=FIRST)
    assert float(other(explanation, "no-carry").value) == pytest.approx(total, abs=0.5)


def test_sign_scenarios_are_side_by_side(wh: Warehouse) -> None:
    explanation = wh.explain("gex", "COIN", as_of=FIRST)
    call, put = input_value(explanation, "call_gex_usd_1pct"), input_value(explanation, "put_gex_usd_1pct")
    assert {row["scenario"]: row["net_gex_usd_1pct"] for row in rows(explanation, "Sign scenarios")} == {
        "std": call + put, "short_both": -call + put, "inverted": -call - put, "gross": call - put,
    }  # fmt: skip
    assert other(explanation, "short-both").value == -call + put


def test_strikes_and_expiries_are_those_of_the_marts(wh: Warehouse) -> None:
    explanation = wh.explain("gex", "COIN", as_of=FIRST, top=3)
    ranked = wh.gex_ranked("COIN", as_of=FIRST).filter(pl.col("scope_expiry") == "all").sort("rank").head(3)
    assert {row["strike"] for row in rows(explanation, "Strikes")} == set(ranked["strike"])
    by_expiry = {row["expires_at"]: row["net_gex_usd_1pct"] for row in wh.gex_by_expiry("COIN", as_of=FIRST).rows(named=True)}
    assert {row["expires_at"]: row["net_gex_usd_1pct"] for row in rows(explanation, "Expiries")} == by_expiry


def test_dialects_round_to_a_dollar(wh: Warehouse) -> None:
    explanation = wh.explain("gex", "COIN", as_of=FIRST, definition="backquant")
    (one,) = explanation.requested_alternatives
    assert one.value == round(explanation.number.value) and "flow" in one.meaning
