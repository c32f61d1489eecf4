"""The run report on recordings: gamma is the venue's within a bound, and every number that is missing says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from tests.acceptance.brute_force import CBOE_CAPTURES
from tests.acceptance.recorded import Loaded, Shelf
from warehouse.catalog.relations import SQL_FOLDER

ALWAYS = ("2026-07-22", "2026-08-03")
SLOW = tuple(capture for capture in CBOE_CAPTURES if capture not in ALWAYS)
# Largest median difference of gamma near the money, in percent: twice what the recordings show. Stocks are American and thin.
BOUNDS = {"_SPX": 5.5, "SPY": 2.0, "MOD": 3.5, "SPXC": 3.5}
LARGE = ("_SPX", "SPY")
CASES = [
    *(pytest.param(symbol, capture, marks=pytest.mark.slow if symbol in LARGE else []) for symbol in BOUNDS for capture in ALWAYS),
    *(pytest.param(symbol, capture, marks=pytest.mark.acceptance) for symbol in BOUNDS for capture in SLOW),
]


def report(shelf: Shelf, snapshot: Loaded, name: str) -> pl.DataFrame:
    """A report of sql/reports on the work file."""
    return shelf.con.execute((SQL_FOLDER / "reports" / f"{name}.sql").read_text(), {"ids": [snapshot.row["snapshot_id"]]}).pl()


def out_of_the_money(snapshot: Loaded) -> pl.DataFrame:
    """Contracts that settle in more than a day, with their greeks."""
    key = ["snapshot_id", "venue", "instrument"]
    contracts = snapshot.table("core.option_quotes").join(snapshot.table("core.option_greeks"), on=key)
    is_out = (pl.col("option_type") == "C") == (pl.col("strike") >= pl.col("forward"))
    return contracts.filter(is_out, pl.col("tau") > 1 / 365, pl.col("gamma").is_not_null())


@pytest.mark.parametrize(("symbol", "capture"), CASES)
def test_gamma_near_the_money_is_cboes(shelf_of: Callable[[str], Shelf], symbol: str, capture: str) -> None:
    shelf = shelf_of(symbol)
    snapshot = shelf[capture]
    contracts = out_of_the_money(snapshot).filter(pl.col("venue_gamma") >= 0.001)
    steep = contracts.filter(pl.col("venue_gamma") * pl.col("strike") >= 7.5)
    near = contracts.filter((pl.col("strike") / pl.col("forward")).log().abs() <= pl.col("iv") * pl.col("tau").sqrt())
    compared = steep if steep.height else near
    expected = 100 * (compared["gamma"] / compared["venue_gamma"] - 1).abs().median()  # type: ignore[operator]
    (row,) = report(shelf, snapshot, "gamma_differences").rows(named=True)
    assert (row["venue"], row["compared_with"], row["contracts"]) == ("cboe", "gamma", compared.height)
    assert row["median_difference_pct"] == pytest.approx(expected, abs=1e-4)
    assert row["median_difference_pct"] <= BOUNDS[symbol]
    assert row["contracts"] >= (500 if symbol in ("_SPX", "SPY") else 20)


def test_gamma_near_the_money_is_that_of_deribits_own_mark_iv(shelf_of: Callable[[str], Shelf]) -> None:
    """Black-76 with SciPy's density; both sides of a strike, whose mark IVs are one number at Deribit, and its forward of the row."""
    shelf = shelf_of("BTC")
    snapshot = shelf["2026-03-13"]
    contracts = out_of_the_money(snapshot)
    assert contracts["venue_gamma"].null_count() == contracts.height > 300
    forward, strike, tau, vol = (contracts[name].to_numpy() for name in ("venue_forward", "strike", "tau", "venue_iv"))
    deviation = vol * np.sqrt(tau)
    theirs = norm.pdf(np.log(forward / strike) / deviation + deviation / 2) * forward / (snapshot.venue["spot"] ** 2 * deviation)
    difference = 100 * np.abs(contracts["gamma"].to_numpy() / theirs - 1)
    near = np.abs(np.log(strike / contracts["forward"].to_numpy())) <= contracts["iv"].to_numpy() * np.sqrt(tau)
    (row,) = report(shelf, snapshot, "gamma_differences").rows(named=True)
    assert (row["underlying"], row["venue"], row["compared_with"], row["contracts"]) == ("BTC", "deribit", "mark_iv", near.sum())
    assert row["median_difference_pct"] == pytest.approx(np.median(difference[near]), abs=1e-4)
    assert row["median_difference_pct"] <= 0.01
    assert row["contracts"] >= 100


REASONS: dict[str, list[tuple[str, str]]] = {
    "core.option_greeks": [("iv", "iv_reason")],
    "core.expiry_smile": [
        ("atm_iv", "atm_iv_reason"), ("straddle", "straddle_reason"), ("put_25d_iv", "put_25d_reason"), ("call_25d_iv", "call_25d_reason"),
        ("density_mean", "density_reason"),
    ],
    "marts.max_pain": [("shape", "shape_reason")],
    "marts.pin_score": [("pin_score", "pin_score_reason"), ("gamma_flip", "gamma_flip_status")],
    "marts.gex_levels": [("gamma_flip", "gamma_flip_status")],
    "marts.oi_change": [("oi_change", "oi_change_reason")],
}  # fmt: skip


@pytest.mark.parametrize(("symbol", "capture"), [*CASES, ("BTC", "2026-03-13")])
def test_every_null_has_its_reason_counted(shelf_of: Callable[[str], Shelf], symbol: str, capture: str) -> None:
    shelf = shelf_of(symbol)
    snapshot = shelf[capture]
    reasons = report(shelf, snapshot, "null_reasons")
    assert "without_reason" not in set(reasons["reason"]) and set(reasons["underlying"]) <= {symbol.lstrip("_")}
    for relation, columns in REASONS.items():
        rows = snapshot.table(relation)
        for value, why in columns:
            nulls = rows.filter(pl.col(value).is_null())
            quantity = "density" if value == "density_mean" else value
            counted = reasons.filter(relation=relation, quantity=quantity)
            expected: dict[Any, int] = dict(nulls.group_by(why).len().iter_rows())
            assert dict(counted.group_by("reason").agg(pl.col("missing_values").sum()).iter_rows()) == expected, (relation, value)
            assert counted["missing_values"].sum() == nulls.height
