"""The recorded chains of SPX: about 29,000 contracts each, AM and PM roots, a re-pull, and settled contracts that are still listed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest

from tests.acceptance.brute_force import CBOE_CAPTURES, pain, pooled
from tests.acceptance.brute_force_gamma import read_chain
from tests.acceptance.recorded import Shelf

LINEAR = 0.4  # points: what linear interpolation between two levels, 0.25 % apart, is off by at most on these recordings (0.34)
QUICK, ALWAYS = "2026-08-03", ("2026-07-22", "2026-07-23", "2026-08-03")


def level_of(capture: str) -> list[pytest.MarkDecorator]:
    """One recording is quick enough for `make test`, a few more for `make test-all`, the others are acceptance."""
    return [] if capture == QUICK else [pytest.mark.slow] if capture in ALWAYS else [pytest.mark.acceptance]


@pytest.fixture(scope="module")
def spx(shelf_of: Callable[[str], Shelf]) -> Shelf:
    return shelf_of("_SPX")


@pytest.mark.parametrize("capture", [pytest.param(each, marks=level_of(each)) for each in CBOE_CAPTURES])
def test_open_interest_pain_and_max_pain_agree_with_brute_force(spx: Shelf, capture: str) -> None:
    spx[capture].assert_all()


@pytest.mark.parametrize("capture", [pytest.param(each, marks=level_of(each)) for each in CBOE_CAPTURES])
def test_gamma_flip_is_where_the_raw_reply_says(spx: Shelf, recordings: Path, capture: str) -> None:
    expected = read_chain(recordings, capture, "_SPX")
    snapshot = spx[capture]
    levels = snapshot.table("marts.gex_levels").filter(scope_expiry="all").row(0, named=True)
    profile = snapshot.table("marts.gamma_profile").filter(scope_expiry="all").sort("spot_level")
    assert levels["spot"] == expected.spot
    for factor, level, net in profile.select("spot_factor", "spot_level", "net_gex_usd_1pct").iter_rows():
        assert level == expected.spot * factor
        assert float(net) == pytest.approx(expected.net(factor), rel=1e-6, abs=1e4)
    assert float(levels["net_gex_usd_1pct"]) == pytest.approx(expected.net(1.0), rel=1e-6)
    zones = snapshot.table("marts.gamma_flip_zones").filter(scope_expiry="all", method="spot_ladder").sort("level")
    assert zones["direction"].to_list() == ["rising" if root.is_rising else "falling" for root in expected.roots]
    assert zones["level"].to_list() == pytest.approx([root.level for root in expected.roots], abs=LINEAR, rel=0)
    for level, low, high in zones.select("level", "lower_level", "upper_level").iter_rows():
        below, above = (expected.net(one / expected.spot) for one in (low, high))
        assert level == pytest.approx(low + (high - low) * -below / (above - below), abs=0.001, rel=0)
    nearest = min(expected.roots, key=lambda root: abs(root.level - expected.spot))
    assert (levels["gamma_flip_status"], nearest.is_rising) == ("available", True)
    assert levels["gamma_flip"] == pytest.approx(nearest.level, abs=LINEAR, rel=0)
    assert levels["regime"] == ("positive_gamma" if expected.spot >= nearest.level else "negative_gamma")


@pytest.mark.slow
def test_the_evening_pull_is_a_repeat_of_the_session_with_other_quotes(spx: Shelf) -> None:
    first, evening = spx["2026-07-22"], spx["2026-07-23"]
    assert (first.row["session_date"], evening.row["session_date"]) == (date(2026, 7, 22), date(2026, 7, 22))
    assert first.recording.oi_vector == evening.recording.oi_vector
    shown = {row[0]: row[1:] for row in spx.snapshots("snapshot_id", "is_repeat", "quotes_changed")}
    assert shown[first.row["snapshot_id"]] == (False, None)
    assert shown[evening.row["snapshot_id"]] == (True, True)
    assert all(not repeat for name, (repeat, _) in shown.items() if name != evening.row["snapshot_id"])


def test_am_and_pm_of_one_third_friday_are_two_expiries_and_a_date_pools_them(spx: Shelf) -> None:
    snapshot = spx["2026-08-03"]
    am, pm = datetime(2026, 8, 21, 13, 30), datetime(2026, 8, 21, 20)
    rows = {row["expires_at"]: row for row in snapshot.table("marts.max_pain").iter_rows(named=True)}
    assert (rows[am]["max_pain_strike"], rows[pm]["max_pain_strike"]) == (7300, 7450)
    live = snapshot.recording.live
    both = pain(pooled({instant: live[instant] for instant in (am, pm)}), 1.0)
    pooled_rows = spx.con.execute("from max_pain('SPX', expiry := date '2026-08-21', as_of := ?)", [snapshot.row["captured_at"]]).pl()
    ours = pooled_rows.row(0, named=True)
    assert (ours["max_pain_low"], ours["max_pain_high"], ours["max_pain_usd"]) == both.minimum
    assert (pooled_rows.height, ours["max_pain_strike"], ours["expires_at"]) == (
        1,
        7345,
        am if rows[am]["total_oi"] > rows[pm]["total_oi"] else pm,
    )


@pytest.mark.acceptance
def test_what_settled_that_day_is_still_listed_and_enters_no_mart(spx: Shelf) -> None:
    snapshot = spx["2026-07-31"]
    assert snapshot.recording.settled == {datetime(2026, 7, 31, 20): 958}
    assert snapshot.venue["contracts"] - snapshot.venue["live_contracts"] == 958
    assert datetime(2026, 7, 31, 20) not in set(snapshot.table("marts.gex_heatmap")["expires_at"])


def test_nearly_all_open_interest_has_a_volatility_and_the_checks_are_clean(spx: Shelf) -> None:
    levels = spx["2026-08-03"].table("marts.gex_levels").filter(scope_expiry="all").row(0, named=True)
    assert levels["oi_without_iv_pct"] < 2
    assert levels["put_support"] < levels["spot"] < levels["call_resistance"]
    assert spx.con.execute("select check_name, example from ops.check_results where severity = 'required'").fetchall() == []
