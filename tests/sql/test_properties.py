"""What must hold for any chain: the shape of pain curves, and how pain and exposures scale and add up (definitions §4, §5)."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.calendar import TradingCalendar
from tests.chains import FRIDAY, NEXT_FRIDAY, chain, listed, on_venue, snapshot
from tests.sql.relations import cells, run_relation, scope

Line = tuple[float, Any, Any]  # strike, open interest of calls and puts; None is unknown
BOUNDED = settings(
    max_examples=10, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)  # fmt: skip
FEWER = settings(BOUNDED, max_examples=5)

tenths = st.integers(0, 2_000_000).map(lambda lots: lots / 10)  # open interest comes in lots
interest = st.one_of(st.none(), st.just(0.0), tenths)
strikes = st.integers(1, 40_000).map(lambda ticks: ticks / 4)
expiry = st.lists(st.tuples(strikes, interest, interest), min_size=1, max_size=12, unique_by=lambda line: line[0]).map(sorted)


def curve(lines: list[Line], expires_at: datetime = FRIDAY) -> list[tuple[float, float]]:
    """(strike, total pain) by the SQL of the warehouse."""
    heatmap = cells({strike: {"call_oi": call, "put_oi": put} for strike, call, put in lines}, expires_at=expires_at)
    rows = run_relation("marts.pain_curve", {"core.scopes": scope(100), "marts.gex_heatmap": heatmap})
    return rows.select("strike", "total_pain_usd").rows()


def brute_force(lines: list[Line]) -> list[float]:
    return [sum((c or 0) * max(at - k, 0) + (p or 0) * max(k - at, 0) for k, c, p in lines) for at, _, _ in lines]


@BOUNDED
@given(expiry)
def test_pain_agrees_with_brute_force(lines: list[Line]) -> None:
    assert [pain for _, pain in curve(lines)] == pytest.approx(brute_force(lines), rel=1e-12, abs=1e-9)


@BOUNDED
@given(expiry)
def test_pain_is_convex_and_its_slope_changes_by_the_open_interest(lines: list[Line]) -> None:
    points = curve(lines)
    slopes = [(high - low) / (right - left) for (left, low), (right, high) in pairwise(points)]
    changes = [after - before for before, after in pairwise(slopes)]
    held = [(call or 0) + (put or 0) for _, call, put in lines[1:-1]]
    assert changes == pytest.approx(held, rel=1e-9, abs=1e-9 * (1 + max(abs(slope) for slope in slopes or [0])))
    if len(points) > 1:
        beyond = sum(put or 0 for _, _, put in lines[1:])
        assert slopes[0] == pytest.approx((lines[0][1] or 0) - beyond, rel=1e-9, abs=1e-6), "left of all others only their puts pay"


@BOUNDED
@given(expiry, st.integers(1, 4000), st.sampled_from([0.5, 2, 4]))
def test_moving_and_stretching_strikes_moves_and_stretches_pain(lines: list[Line], quarters: int, times: float) -> None:
    plain = curve(lines)
    moved = curve([(strike + quarters / 4, call, put) for strike, call, put in lines])
    assert moved == [(strike + quarters / 4, pain) for strike, pain in plain]
    stretched = curve([(strike * times, call, put) for strike, call, put in lines])
    assert stretched == [(strike * times, pytest.approx(pain * times, rel=1e-12)) for strike, pain in plain]


@BOUNDED
@given(expiry, st.integers(2, 9))
def test_pain_is_proportional_to_open_interest(lines: list[Line], times: int) -> None:
    more = curve([(strike, None if call is None else call * times, None if put is None else put * times) for strike, call, put in lines])
    assert more == [(strike, pytest.approx(pain * times, rel=1e-12, abs=1e-9)) for strike, pain in curve(lines)]


def rows_of(expiries: list[list[Line]], volatilities: list[float | None]) -> list[dict[str, Any]]:
    """Contracts of one or two expiries around 100; the volatilities are taken in turn."""
    rows = []
    for expires_at, lines in zip((FRIDAY, NEXT_FRIDAY), expiries, strict=False):
        for place, (strike, call, put) in enumerate(lines):
            vol = volatilities[place % len(volatilities)]
            rows += listed(60 + strike / 125, call=call, put=put, expires_at=expires_at, venue_iv=vol)
    return rows


near_the_money = st.lists(st.tuples(st.integers(1, 10_000), interest, interest), min_size=2, max_size=8, unique_by=lambda line: line[0])
volatilities = st.lists(st.one_of(st.none(), st.floats(0.05, 2)), min_size=1, max_size=4)


@pytest.fixture
def compute(calendar: TradingCalendar) -> Any:
    return lambda *chains: snapshot(*chains, calendar=calendar)


@FEWER
@given(st.lists(near_the_money, min_size=1, max_size=2), volatilities, st.sampled_from([2.0, 3.0, 10.0]))
def test_exposures_are_proportional_to_open_interest(
    compute: Any, expiries: list[list[Line]], vols: list[float | None], times: float
) -> None:
    one = chain(rows_of(expiries, vols))
    plain, more = (compute(each)["marts.gex_heatmap"].sort("expires_at", "strike") for each in (one, on_venue(one, "cboe", times=times)))
    assert more["oi_without_iv_pct"].equals(plain["oi_without_iv_pct"], null_equal=True)
    for name in [name for name in plain.columns if name.startswith(("call_", "put_", "net_", "abs_")) and name != "net_to_gross"]:
        assert more[name].is_null().equals(plain[name].is_null())
        cents = 0.005 * (times + 1) * 2  # a cent's rounding on either side, of call and put
        off = (more[name].cast(pl.Float64) - plain[name].cast(pl.Float64) * times).abs()
        assert (off <= cents + 1e-9 * more[name].cast(pl.Float64).abs()).fill_null(True).all(), name


@FEWER
@given(st.lists(near_the_money, min_size=1, max_size=2), near_the_money, volatilities)
def test_parts_of_venues_add_up_to_the_total(compute: Any, expiries: list[list[Line]], other: list[Line], vols: list[float | None]) -> None:
    ours = chain(rows_of(expiries, vols), market="crypto", venue="deribit", multiplier=1.0)
    theirs = chain(rows_of([other, *expiries[1:]], vols[::-1]), market="crypto", venue="okx", multiplier=0.01, spot=101.0)
    tables = compute(ours, theirs)
    heatmap = tables["marts.gex_heatmap"]
    sums = [name for name in heatmap.columns if name.startswith(("call_", "put_", "net_")) and name != "net_to_gross"]
    additive = [*sums, "oi_without_iv"]
    key = ["expires_at", "strike"]
    parts = heatmap.filter(pl.col("scope_venue") != "all").group_by(key).agg(
        pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in additive
    )  # fmt: skip
    total = heatmap.filter(scope_venue="all").select(*key, *additive).sort(key)
    parts = parts.sort(key)
    assert parts.select(key).equals(total.select(key))
    for name in additive:
        if total[name].dtype.is_float():
            assert (parts[name] - total[name]).abs().fill_null(0).max() <= 1e-6 and parts[name].is_null().equals(total[name].is_null()), (
                name
            )
        else:
            assert parts[name].equals(total[name], null_equal=True), name
    assert_curves_add_up(tables["marts.pain_curve"], tables["marts.max_pain"])


def assert_curves_add_up(pain: pl.DataFrame, totals: pl.DataFrame) -> None:
    """Curves of venues, read as the piecewise linear functions that they are, sum to the curve of all."""
    held = {tuple(key): (call or 0, put or 0) for *key, call, put in totals.select("expires_at", "scope_venue", "call_oi", "put_oi").rows()}
    for (expires_at,), rows in pain.group_by("expires_at"):
        everything = rows.filter(scope_venue="all").sort("strike")
        total = 0.0
        for (venue,), group in rows.filter(pl.col("scope_venue") != "all").group_by("scope_venue"):
            total += pain_anywhere(group.sort("strike"), everything["strike"].to_numpy(), *held[expires_at, venue])
        assert total == pytest.approx(everything["total_pain_usd"].to_numpy(), rel=1e-9, abs=1e-3), expires_at


def pain_anywhere(curve: pl.DataFrame, at: np.ndarray[Any, Any], calls: float, puts: float) -> np.ndarray[Any, Any]:
    """Pain at any settlement: linear between strikes; below all of them each put pays, above all of them each call."""
    strike, pain = curve["strike"].to_numpy(), curve["total_pain_usd"].to_numpy()
    below, above = np.maximum(strike[0] - at, 0), np.maximum(at - strike[-1], 0)
    return np.asarray(np.interp(at, strike, pain) + below * puts + above * calls)
