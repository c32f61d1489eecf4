"""What must hold for the pain curve of any expiry: brute force, convexity, slopes, and how it moves and scales (definitions §4)."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.chains import FRIDAY
from tests.sql.relations import cells, run_relation, scope

Line = tuple[float, Any, Any]  # strike, open interest of calls and puts; None is unknown
BOUNDED = settings(
    max_examples=10, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)  # fmt: skip

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
    interest = [(call or 0) + (put or 0) for _, call, put in lines[1:-1]]
    rounding = 1e-9 * (1 + max(abs(slope) for slope in slopes or [0]))
    assert all(change >= -rounding for change in changes), "no curve bends down"
    assert changes == pytest.approx(interest, rel=1e-9, abs=rounding)
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
