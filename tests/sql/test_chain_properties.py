"""What must hold for any chain in every mart: parts of venues add up, open interest and prices scale (definitions §3, §4, §5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.contracts.registry import TABLES
from models.market.calendar import TradingCalendar
from tests.chains import FRIDAY, NEXT_FRIDAY, chain, listed, on_venue, snapshot

Line = tuple[int, Any, Any]  # strike in units of its own, open interest of calls and puts; None is unknown
FEW = settings(
    max_examples=6, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)  # fmt: skip

interest = st.one_of(st.none(), st.just(0.0), st.integers(0, 2_000_000).map(lambda lots: lots / 10))  # it comes in lots
near_the_money = st.lists(st.tuples(st.integers(1, 10_000), interest, interest), min_size=2, max_size=8, unique_by=lambda line: line[0])
expiries = st.lists(near_the_money, min_size=1, max_size=2)
volatilities = st.lists(st.one_of(st.none(), st.floats(0.05, 2)), min_size=1, max_size=4)

# A column adds up when it is an amount of USD kept as decimal, or an amount of open interest; all but these: a gross of vanna or charm,
# whose parts may have either sign, and what is multiplied with the scope's own spot.
NO_SUM = {"abs_vex_usd_1vol", "abs_chex_usd_day", "notional_oi_usd"}
NO_SUM_MARTS = {"marts.gex_ranked", "marts.opex_calendar"}  # strikes by rank; all venues together only
SCALED = {
    "marts.gex_heatmap",
    "marts.gex_by_strike",
    "marts.gex_by_expiry",
    "marts.gex_levels",
    "marts.gamma_profile",
    "marts.expiry_summary",
}


def additive_columns(mart: str) -> list[str]:
    """What its contract says is an amount."""
    return [
        name
        for name, column in TABLES[mart].columns().items()
        if (column.dtype.is_decimal() or (column.metadata or {}).get("unit") in ("base", "contracts")) and name not in NO_SUM
    ]


def key_of(mart: str) -> list[str]:
    """What tells rows of one scope apart; venues are added at the same factor of their own spots."""
    key = [name for name in TABLES[mart].primary_key() if name not in ("snapshot_id", "scope_venue")]
    return ["scope_expiry", "spot_factor"] if mart == "marts.gamma_profile" else key


def additive_marts() -> dict[str, list[str]]:
    names = [name for name, contract in TABLES.items() if name.startswith("marts.") and "scope_venue" in contract.column_names()]
    by_mart = {name: additive_columns(name) for name in names if name not in NO_SUM_MARTS}
    return {name: columns for name, columns in by_mart.items() if columns}


def test_the_contracts_tell_which_columns_add_up() -> None:
    marts = additive_marts()
    assert SCALED | {"marts.max_pain", "marts.max_pain_pooled"} == marts.keys()
    exposures = [
        f"{part}_{name}" for name in ("gex_usd_1pct", "dex_usd", "vex_usd_1vol", "chex_usd_day") for part in ("call", "put", "net")
    ]
    interest = ["call_oi", "put_oi", "call_oi_contracts", "put_oi_contracts", "oi_without_iv"]
    assert set(marts["marts.gex_heatmap"]) == {*exposures, *interest, "abs_gex_usd_1pct", "abs_dex_usd"}
    assert set(marts["marts.expiry_summary"]) == {"total_oi", "net_gex_usd_1pct"}


def rows_of(chosen: list[list[Line]], vols: list[float | None], *, times: float = 1.0) -> list[dict[str, Any]]:
    """Contracts of one or two expiries around 100, or around `times` that; the volatilities are taken in turn."""
    rows = []
    for expires_at, lines in zip((FRIDAY, NEXT_FRIDAY), chosen, strict=False):
        for index, (strike, call, put) in enumerate(lines):
            vol = vols[index % len(vols)]
            rows += listed(round((60 + strike / 125) * times, 6), call=call, put=put, expires_at=expires_at, venue_iv=vol)
    return rows


@pytest.fixture
def compute(calendar: TradingCalendar) -> Any:
    return lambda *chains: snapshot(*chains, calendar=calendar)


@FEW
@given(expiries, near_the_money, volatilities)
@pytest.mark.slow
def test_parts_of_venues_add_up_to_the_total(compute: Any, chosen: list[list[Line]], other: list[Line], vols: list[float | None]) -> None:
    """Decimals to the cent, open interest to 1e-6; null where no venue has a number."""
    ours = chain(rows_of(chosen, vols), market="crypto", venue="deribit", multiplier=1.0)
    theirs = chain(rows_of([other, *chosen[1:]], vols[::-1]), market="crypto", venue="okx", multiplier=0.01, spot=101.0)
    tables = compute(ours, theirs)
    for mart, columns in additive_marts().items():
        key = key_of(mart)
        of_venues = tables[mart].filter(pl.col("scope_venue") != "all")
        parts = of_venues.with_columns(pl.lit(0).alias("everything")).group_by("everything", *key).agg(
            pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in columns
        )  # fmt: skip
        parts, total = (each.sort(key).select(*key, *columns) for each in (parts, tables[mart].filter(scope_venue="all")))
        assert parts.select(key).equals(total.select(key)), mart
        assert total.height > 0
        for name in columns:
            assert parts[name].is_null().equals(total[name].is_null()), (mart, name)
            if total[name].dtype.is_float():
                assert ((parts[name] - total[name]).abs() <= 1e-6).fill_null(True).all(), (mart, name)
            else:
                assert parts[name].cast(total[name].dtype).equals(total[name], null_equal=True), (mart, name)
    assert_curves_add_up(tables["marts.pain_curve"], tables["marts.max_pain"])


def assert_curves_add_up(pain: pl.DataFrame, totals: pl.DataFrame) -> None:
    """Curves of venues, read as the piecewise linear functions that they are, sum to the curve of all."""
    interest = {
        tuple(key): (call or 0, put or 0) for *key, call, put in totals.select("expires_at", "scope_venue", "call_oi", "put_oi").rows()
    }
    for (expires_at,), rows in pain.group_by("expires_at"):
        everything = rows.filter(scope_venue="all").sort("strike")
        total = 0.0
        for (venue,), group in rows.filter(pl.col("scope_venue") != "all").group_by("scope_venue"):
            total += pain_anywhere(group.sort("strike"), everything["strike"].to_numpy(), *interest[expires_at, venue])
        assert total == pytest.approx(everything["total_pain_usd"].to_numpy(), rel=1e-9, abs=1e-3), expires_at


def pain_anywhere(curve: pl.DataFrame, at: np.ndarray[Any, Any], calls: float, puts: float) -> np.ndarray[Any, Any]:
    """Pain at any settlement: linear between strikes; below all of them each put pays, above all of them each call."""
    strike, pain = curve["strike"].to_numpy(), curve["total_pain_usd"].to_numpy()
    below, above = np.maximum(strike[0] - at, 0), np.maximum(at - strike[-1], 0)
    return np.asarray(np.interp(at, strike, pain) + below * puts + above * calls)


@FEW
@given(expiries, volatilities, st.sampled_from([2.0, 3.0, 10.0]))
@pytest.mark.slow
def test_exposures_are_proportional_to_open_interest(
    compute: Any, chosen: list[list[Line]], vols: list[float | None], times: float
) -> None:
    """In every mart to 1e-9, or to a cent per contract row that is summed: each row is rounded to a cent."""
    one = chain(rows_of(chosen, vols))
    plain, more = compute(one), compute(on_venue(one, "cboe", times=times))
    contracts = plain["core.option_greeks"].height
    for mart in SCALED:
        key = key_of(mart)
        before, after = (tables[mart].sort(key) for tables in (plain, more))
        assert before.select(key).equals(after.select(key))
        rows = 2 if "strike" in key and "expires_at" in key else contracts
        for name in [name for name, column in TABLES[mart].columns().items() if column.dtype.is_decimal()]:
            assert after[name].is_null().equals(before[name].is_null()), (mart, name)
            expected, actual = before[name].cast(pl.Float64), after[name].cast(pl.Float64).to_numpy() / times
            assert ((expected - actual).abs() <= 1e-9 * expected.abs() + 0.01 * rows).fill_null(True).all(), (mart, name)
    for name in ("oi_without_iv_pct", "strike"):
        assert (
            plain["marts.gex_heatmap"]
            .sort("expires_at", "strike")[name]
            .equals(more["marts.gex_heatmap"].sort("expires_at", "strike")[name], null_equal=True)
        )


@FEW
@given(expiries, volatilities, st.sampled_from([0.5, 1.5, 4.0, 10.0]))
@pytest.mark.slow
def test_prices_of_another_unit_change_pain_and_exposures_by_that_unit(
    compute: Any, chosen: list[list[Line]], vols: list[float | None], times: float
) -> None:
    """All strikes and spot times a factor: pain, its minimum and USD exposures times the factor, and every share as it was."""
    plain = compute(chain(rows_of(chosen, vols)))
    scaled = compute(chain(rows_of(chosen, vols, times=times), spot=100.0 * times))
    key = ["expires_at", "strike"]
    before, after = (tables["marts.pain_curve"].sort(key) for tables in (plain, scaled))
    assert (after["strike"] - (before["strike"] * times)).abs().max() <= 1e-6
    for name in ("call_pain_usd", "put_pain_usd", "total_pain_usd"):
        assert after[name].to_list() == pytest.approx((before[name] * times).to_list(), rel=1e-9, abs=1e-6)
    minima = [tables["marts.max_pain"].sort("expires_at").rows(named=True) for tables in (plain, scaled)]
    for was, now in zip(*minima, strict=True):
        for name in ("max_pain_strike", "max_pain_low", "max_pain_high", "max_pain_usd", "distance_abs", "spot"):
            assert now[name] == (None if was[name] is None else pytest.approx(was[name] * times, rel=1e-9, abs=1e-6)), name
        for name in ("distance_pct", "pcr", "depth", "flat_width_pct", "asymmetry"):
            assert now[name] == (None if was[name] is None else pytest.approx(was[name], rel=1e-6, abs=1e-6)), name
        assert (now["direction"], now["signal"], now["shape_reason"]) == (was["direction"], was["signal"], was["shape_reason"])
    before, after = (tables["marts.gex_heatmap"].sort(key) for tables in (plain, scaled))
    for name in [name for name, column in TABLES["marts.gex_heatmap"].columns().items() if column.dtype.is_decimal()]:
        expected, actual = before[name].cast(pl.Float64), after[name].cast(pl.Float64).to_numpy() / times
        assert after[name].is_null().equals(before[name].is_null()), name
        cents = 0.01 * (1 + 1 / times)  # half a cent of call and put, here and there
        assert ((expected - actual).abs() <= 1e-9 * expected.abs() + cents).fill_null(True).all(), name
