"""Key levels explained: chosen by the rank that is shown, null for the reason that is given, and what other sources mean by the name."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
import pytest

from models.errors import UsageError
from tests.small_warehouse import FIRST, LAST
from tests.warehouse.explain.conftest import other, rows
from warehouse.client.warehouse import Warehouse
from warehouse.explain.kinds.level_meanings import meaning_of
from warehouse.explain.request import LEVELS

SHORT = datetime(2026, 3, 6, 8)
QUICK = ("call_resistance", "put_wall", "zero_dte_magnet", "hvl", "gamma_flip")  # one of each way to be chosen; each takes a second


@pytest.mark.parametrize(
    ("level", "filters"),
    [pytest.param(level, {}, marks=[] if level in QUICK else [pytest.mark.slow]) for level in LEVELS]
    + [
        pytest.param(level, filters, marks=pytest.mark.slow)
        for level in ("call_resistance", "hvl", "gamma_flip")
        for filters in ({"expires_at": SHORT}, {"venues": ["deribit"]})
    ],
)
def test_every_level_is_that_of_the_mart(wh: Warehouse, level: str, filters: dict[str, Any]) -> None:
    explanation = wh.explain("level", "COIN", level=level, as_of=FIRST, **filters)
    levels = wh.gex_levels("COIN", as_of=FIRST, **filters).filter(pl.col("scope_expiry") == "all").row(0, named=True)
    assert explanation.number.value == levels[level]
    meaning = meaning_of(level, min_share=0.02)
    if meaning.rank_column is not None and explanation.number.value is not None:
        assert rows(explanation, "How strikes rank")[meaning.number - 1]["strike"] == explanation.number.value
    if explanation.number.value is None:
        assert (explanation.number.note or "").startswith("null: ")


@pytest.mark.slow
def test_a_null_wall_says_what_it_would_have_been(wh: Warehouse) -> None:
    nulls = 0
    for underlying in ("COIN", "IDX"):
        for as_of in (FIRST, LAST):
            levels = wh.gex_levels(underlying, as_of=as_of).filter(pl.col("scope_expiry") == "all").row(0, named=True)
            for level in (one for one in LEVELS[:6] if levels[one] is None):
                note = wh.explain("level", underlying, level=level, as_of=as_of).number.note or ""
                assert "positive net gamma" in note or "under 0.02" in note, note
                nulls += 1
    assert nulls, "one of these walls is null"


def test_names_of_the_dialects_are_different_levels(wh: Warehouse) -> None:
    levels = wh.gex_levels("COIN", as_of=FIRST).filter(pl.col("scope_expiry") == "all").row(0, named=True)
    explanation = wh.explain("level", "COIN", level="call_resistance", as_of=FIRST)
    assert other(explanation, "flashalpha").value == levels["call_wall"]
    assert other(explanation, "backquant").value == levels["call_resistance"]
    wall = wh.explain("level", "COIN", level="put_wall", as_of=FIRST)
    assert (other(wall, "flashalpha").value, other(wall, "backquant").value) == (levels["put_wall"], levels["put_support"])


def test_a_wall_by_open_interest_is_the_largest_column(wh: Warehouse) -> None:
    profile = wh.gex_profile("COIN", as_of=FIRST)
    explanation = wh.explain("level", "COIN", level="call_wall", as_of=FIRST)
    strike = other(explanation, "call-oi").value
    assert profile.filter(pl.col("strike") == strike)["call_oi"][0] == profile["call_oi"].max()
    inverted = other(explanation, "inverted").value
    assert profile.filter(pl.col("strike") == inverted)["net_gex_usd_1pct"][0] == profile["net_gex_usd_1pct"].min()


def test_venues_have_their_own_level(wh: Warehouse) -> None:
    explanation = wh.explain("level", "COIN", level="call_wall", as_of=FIRST)
    for venue in ("bybit", "deribit", "okx"):
        alone = wh.gex_levels("COIN", as_of=FIRST, venues=venue).filter(pl.col("scope_expiry") == "all")
        assert other(explanation, f"venue-{venue}").value == alone["call_wall"][0]


def test_the_flip_lies_between_the_two_levels_of_the_ladder_shown(wh: Warehouse) -> None:
    explanation = wh.explain("level", "COIN", level="gamma_flip", as_of=FIRST)
    zones = wh.gamma_flip_zones("COIN", as_of=FIRST).filter((pl.col("scope_expiry") == "all") & (pl.col("method") == "spot_ladder"))
    shown = rows(explanation, "Sign changes")
    assert sorted(row["level"] for row in shown) == sorted(zones["level"])
    ladder = rows(explanation, "The ladder")
    signs = [row["net_gex_usd_1pct"] > 0 for row in ladder if row["spot_level"] in (shown[0]["lower_level"], shown[0]["upper_level"])]
    assert len(signs) == 2 and signs[0] != signs[1]
    (status,) = (one for one in explanation.inputs if one.name == "gamma_flip_status")
    assert status.note


def test_zero_dte_is_its_own_profile(wh: Warehouse) -> None:
    explanation = wh.explain("level", "COIN", level="max_positive_gamma", zero_dte=True, as_of=FIRST)
    levels = wh.gex_levels("COIN", as_of=FIRST).filter(pl.col("scope_expiry") == "0dte").row(0, named=True)
    assert explanation.number.value == levels["max_positive_gamma"] is None, "COIN has no expiry within 24 hours"
    with pytest.raises(UsageError, match="for all venues or for one"):
        wh.explain("level", "COIN", level="hvl", zero_dte=True, as_of=FIRST, venues=["okx", "deribit"])
