"""Gamma flips of hand-made ladders and profiles, where the answer is plain to see (definitions §6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from models.contracts.analytics import ExpirySmile, GammaLadder
from tests.chains import FRIDAY
from tests.sql.oracle_gamma import FACTORS
from tests.sql.relations import CAPTURED_AT, SNAPSHOT, cells, run_relation, scope
from warehouse.settings import ModelSettings, Settings

NEXT_MONTH = FRIDAY + timedelta(days=28)
# Enough of a chain near a spot of 100 for a flip: three strikes on either side, with open interest and exposure.
STRIKES = (97.0, 98.0, 99.0, 101.0, 102.0, 103.0)
COVERED = {strike: {"call": 5, "call_oi": 1.0} for strike in STRIKES}
FLIP = ("gamma_flip", "gamma_flip_status", "gamma_flip_implied", "gamma_flip_distance_pct", "regime")


def ladder(net: Callable[[float], float | None], *, expires_at: datetime = FRIDAY, venue: str = "cboe") -> pl.DataFrame:
    """Rows of core.gamma_ladder whose net is this function of spot / 100."""
    rows = []
    for factor in FACTORS:
        value = net(factor)
        sides = {"call_gex_usd_1pct": max(value, 0), "put_gex_usd_1pct": min(value, 0)} if value is not None else {}
        rows.append({"snapshot_id": SNAPSHOT["snapshot_id"], "venue": venue, "expires_at": expires_at, "spot_factor": factor} | sides)
    return pl.DataFrame(rows, schema={name: column.dtype for name, column in GammaLadder.columns().items()})


def through(*points: tuple[float, float]) -> Callable[[float], float | None]:
    """The function that takes these values at these factors, and at every other level that of the point below it."""
    return lambda factor: next((value for at, value in reversed(points) if factor >= at), None)


def smile(*rows: Mapping[str, Any]) -> pl.DataFrame:
    """Rows of core.expiry_smile with an atm_iv and its weight."""
    schema = {name: column.dtype for name, column in ExpirySmile.columns().items()}
    common = dict.fromkeys(schema) | {"snapshot_id": SNAPSHOT["snapshot_id"], "venue": "cboe", "book": "XYZ", "expires_at": NEXT_MONTH}
    return pl.DataFrame([common | row for row in rows], schema=schema)


def run(
    wanted: str,
    net: Callable[[float], float | None],
    strikes: Mapping[float, Mapping[str, Any]] = COVERED,
    *,
    spot: float = 100,
    settings: Settings | None = None,
    **scope_columns: Any,
) -> pl.DataFrame:
    given = {
        "core.scopes": scope(spot).with_columns(**{name: pl.lit(value) for name, value in scope_columns.items()}),
        "marts.gex_heatmap": cells(strikes),
        "core.gamma_ladder": ladder(net),
    }
    return run_relation(wanted, given, settings)


def flip(net: Callable[[float], float | None], strikes: Mapping[float, Mapping[str, Any]] = COVERED, **arguments: Any) -> dict[str, Any]:
    """The row of all expiries of marts.gex_levels."""
    return run("marts.gex_levels", net, strikes, **arguments).row(by_predicate=pl.col("scope_expiry") == "all", named=True)


def zones(net: Callable[[float], float | None], **arguments: Any) -> list[tuple[Any, ...]]:
    """Roots of the ladder over all expiries: level, neighbours, direction."""
    rows = run("marts.gamma_flip_zones", net, **arguments).filter(scope_expiry="all", method="spot_ladder")
    return rows.select("level", "lower_level", "upper_level", "direction").rows()


def by_strike(nets: Mapping[float, float], *, spot: float = 100) -> list[tuple[Any, ...]]:
    """Roots of the running sum over strikes: level, neighbours, direction."""
    exposures = {strike: {"call" if net >= 0 else "put": net} for strike, net in nets.items()}
    rows = run("marts.gamma_flip_zones", through((0, 1)), exposures, spot=spot).filter(method="cumulative_by_strike", scope_expiry="all")
    return rows.select("level", "lower_level", "upper_level", "direction").rows()


RISING = through((0, -30), (0.99, 10))  # −30 at 98.75, 10 at 99


def test_the_flip_lies_between_the_two_levels_where_the_sign_changes() -> None:
    row = flip(RISING)
    assert row["gamma_flip"] == pytest.approx(98.75 + 0.25 * 30 / 40)
    assert (row["gamma_flip_status"], row["regime"]) == ("available", "positive_gamma")
    assert row["gamma_flip_distance_pct"] == pytest.approx(100 - row["gamma_flip"])
    assert zones(RISING) == [(pytest.approx(98.9375), pytest.approx(98.75), 99.0, "rising")]


def test_below_the_flip_gamma_is_negative_and_at_the_flip_positive() -> None:
    assert flip(through((0, -10), (1.0075, 10)))["regime"] == "negative_gamma"
    at_spot = flip(through((0, -10), (1.0, 0), (1.0025, 10)))
    assert (at_spot["gamma_flip"], at_spot["regime"], at_spot["gamma_flip_distance_pct"]) == (100, "positive_gamma", 0)


def test_the_flip_moves_with_what_put_call_parity_says_of_spot() -> None:
    moved = flip(RISING, implied_to_spot=1.0025)
    assert moved["gamma_flip_implied"] == pytest.approx(moved["gamma_flip"] * 1.0025)
    assert flip(RISING)["gamma_flip_implied"] is None, "no forward from parity"


@pytest.mark.parametrize(
    ("net", "strikes", "status"),
    [
        (RISING, STRIKES[1:], "insufficient_local_coverage"),
        (RISING, STRIKES[:-1], "insufficient_local_coverage"),
        (RISING, (100.0,), "insufficient_local_coverage"),
        (through((0, 5)), STRIKES, "no_boundary"),
        (lambda factor: None, STRIKES, "no_boundary"),
        (through((0, 10), (1.01, -10)), STRIKES, "uncertain_root_path"),
        (through((0, -10), (0.97, 10), (1.01, -10)), STRIKES, "uncertain_root_path"),
        (through((0, -10), (0.99, 10), (0.9925, -30)), STRIKES, "uncertain_root_path"),
        (through((0, -30), (1.0, 10), (1.0025, -10), (1.05, 20)), STRIKES, "sensitive_root"),
    ],
    ids=[
        "two strikes below", "two strikes above", "none but spot", "positive everywhere", "nothing on the ladder", "falls", "the nearer one falls",
        "falls beside a rise", "two roots beside each other",
    ],
)  # fmt: skip
def test_why_there_is_no_flip(net: Callable[[float], float | None], strikes: tuple[float, ...], status: str) -> None:
    row = flip(net, {strike: {"call": 5, "call_oi": 1.0} for strike in strikes})
    assert [row[name] for name in FLIP] == [None, status, None, None, "unknown"]


def test_a_second_root_is_too_near_within_a_quarter_percent_of_spot() -> None:
    near = through((0, -30), (1.0, 10), (1.0025, -10), (1.05, 20))  # roots at 99.9375 and 100.125
    assert flip(near)["gamma_flip_status"] == "sensitive_root"
    assert flip(near, settings=Settings(models=ModelSettings(flip_sensitive_pct=0.18)))["gamma_flip_status"] == "available"
    below = through((0, 30), (0.99, -10), (0.9925, 10))  # falls at 98.9375, rises at 99.125
    assert flip(below)["gamma_flip_status"] == "sensitive_root", "also one that is farther from spot"


def test_the_stored_sign_counts_only_with_the_gamma_of_the_venue() -> None:
    negative = {strike: {"put": -5, "put_oi": 1.0} for strike in STRIKES}
    assert flip(RISING, negative)["gamma_flip_status"] == "available"
    venue = Settings(models=ModelSettings(gamma_source="venue"))
    assert flip(RISING, negative, settings=venue)["gamma_flip_status"] == "stored_sign_mismatch"
    assert flip(RISING, settings=venue)["gamma_flip_status"] == "available"


def test_the_first_reason_in_the_order_of_the_definitions_is_given() -> None:
    venue = Settings(models=ModelSettings(gamma_source="venue"))
    thin = {95.0: {"put": -5, "put_oi": 1.0}}
    worst = through((0, 30), (1.0, -10), (1.0025, 10))  # falls through the root nearest spot, with another beside it
    assert flip(worst, thin, settings=venue, is_strike_filtered=True)["gamma_flip_status"] == "not_available_filtered"
    assert flip(RISING, is_strike_filtered=True)["gamma_flip"] is None
    assert flip(worst, thin, settings=venue)["gamma_flip_status"] == "insufficient_local_coverage"
    covered = {strike: {"put": -5, "put_oi": 1.0} for strike in STRIKES}
    assert flip(worst, covered, settings=venue)["gamma_flip_status"] == "uncertain_root_path"
    turned = through((0, -30), (1.0, 10), (1.0025, -10), (1.05, 20))
    assert flip(turned, covered, settings=venue)["gamma_flip_status"] == "sensitive_root"


def test_of_several_roots_the_one_nearest_spot_counts_and_of_two_equally_near_the_lower() -> None:
    net = through((0, -10), (0.9, 10), (0.95, -10), (0.99, 10))
    assert flip(net)["gamma_flip"] == pytest.approx(98.875)
    assert flip(net, {strike - 12: values for strike, values in COVERED.items()}, spot=88)["gamma_flip"] == pytest.approx(98.875 * 0.88)
    both = flip(through((0, -10), (0.99, 0), (0.9925, 10), (1.01, 0), (1.0125, -10)))
    assert (both["gamma_flip"], both["gamma_flip_status"]) == (99, "available"), "99 and 101 are equally far"


def test_a_strike_counts_as_near_when_it_has_open_interest_and_a_volatility() -> None:
    without_iv = COVERED | {97.0: {"call_oi": 1.0, "oi_without_iv": 1.0}}
    assert flip(RISING, without_iv)["gamma_flip_status"] == "insufficient_local_coverage"
    assert flip(RISING, COVERED | {97.0: {"call": 0, "call_oi": 0.0}})["gamma_flip_status"] == "insufficient_local_coverage"
    partly = COVERED | {97.0: {"call": 1, "call_oi": 0.3, "put_oi": 0.1, "oi_without_iv": 0.1}}
    assert flip(RISING, partly)["gamma_flip_status"] == "available"
    at_spot = dict.fromkeys((97.0, 98.0, 99.0, 100.0, 101.0, 102.0), COVERED[102.0])
    assert flip(RISING, at_spot)["gamma_flip_status"] == "insufficient_local_coverage", "a strike equal to spot is on neither side"
    two = Settings(models=ModelSettings(flip_min_strikes=2))
    assert flip(RISING, at_spot, settings=two)["gamma_flip_status"] == "available"


WIDE = {strike: {"call": 5, "call_oi": 1.0} for strike in (92.0, 94.0, 96.0, 104.0, 106.0, 108.0)}


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([], "insufficient_local_coverage"),
        ([{"atm_iv": 0.27}], "insufficient_local_coverage"),
        ([{"atm_iv": 0.28}], "available"),
        ([{"atm_iv": 0.28, "expires_at": CAPTURED_AT + timedelta(days=7)}, {"atm_iv": 0.1}], "available"),
        ([{"atm_iv": 0.28, "expires_at": CAPTURED_AT + timedelta(days=6, hours=23)}, {"atm_iv": 0.1}], "insufficient_local_coverage"),
        ([{"atm_iv": None, "expires_at": CAPTURED_AT + timedelta(days=8)}, {"atm_iv": 0.28}], "available"),
        ([{"atm_iv": 0.2, "oi_base": 1.0}, {"atm_iv": 0.4, "oi_base": 3.0, "book": "B"}], "available"),
        ([{"atm_iv": 0.2, "oi_base": 3.0}, {"atm_iv": 0.4, "oi_base": 1.0, "book": "B"}], "insufficient_local_coverage"),
        ([{"atm_iv": 0.2, "oi_base": 0.0}, {"atm_iv": 0.4, "oi_base": None, "book": "B"}], "available"),
        ([{"atm_iv": 0.4, "venue": "okx"}], "insufficient_local_coverage"),
    ],
    ids=["no smile", "8 % is not reached", "8 % is reached", "first of a week", "a shorter one does not count", "one without volatility",
         "weighted", "weighted otherwise", "unweighted", "of another venue"],
)  # fmt: skip
def test_near_is_a_deviation_of_30_days_by_the_first_expiry_of_a_week(rows: list[dict[str, Any]], status: str) -> None:
    given = {
        "core.scopes": scope(100), "marts.gex_heatmap": cells(WIDE), "core.gamma_ladder": ladder(RISING), "core.expiry_smile": smile(*rows),
    }  # fmt: skip
    assert run_relation("marts.gex_levels", given).filter(scope_expiry="all")["gamma_flip_status"].item() == status


def test_without_0dte_its_row_has_no_flip() -> None:
    rows = run("marts.gex_levels", RISING).filter(scope_expiry="0dte")
    assert rows.select(FLIP).row(0) == (None, "insufficient_local_coverage", None, None, "unknown")


def test_a_level_of_exactly_zero_is_a_root_where_the_sign_changes_over_it() -> None:
    assert zones(through((0, -10), (0.9, 0), (0.9025, 10))) == [(90, 90, 90, "rising")]
    assert zones(through((0, -10), (0.9, 0), (0.95, 10))) == [(pytest.approx(92.375), 90, pytest.approx(94.75), "rising")], "the middle"
    assert zones(through((0, 10), (0.9, 0), (0.95, -1))) == [(pytest.approx(92.375), 90, pytest.approx(94.75), "falling")]


def test_touching_zero_and_turning_back_is_no_root() -> None:
    assert zones(through((0, -10), (0.9, 0), (0.9025, -10))) == []
    assert zones(through((0, 10), (0.9, 0), (1.1, 10))) == []
    assert zones(through((0, 0), (0.9, 10))) == [], "nor is zero up to the first exposure"
    assert zones(through((0, -10), (1.1, 0))) == []
    assert zones(through((0, 0))) == []


def test_the_running_sum_knows_the_same_zeros() -> None:
    assert by_strike({90: -30, 95: 30, 100: 20}) == [(95, 95, 95, "rising")]
    assert by_strike({90: -30, 95: 30, 100: 0, 105: 20}) == [(97.5, 95, 100, "rising")]
    assert by_strike({90: -30, 95: 30, 100: -20}) == [], "it touches zero and turns back"
    assert by_strike({85: 0, 90: 30, 100: -60}) == [(95, 90, 100, "falling")]
    assert by_strike({85: 0, 90: 0, 100: 5}) == []


def test_zones_name_the_listed_strikes_around_a_level_and_stay_within_a_fifth_of_spot() -> None:
    rows = run("marts.gamma_flip_zones", RISING).filter(method="spot_ladder")
    assert rows.select("lower_strike", "upper_strike").rows() == [(98, 99)]
    assert rows["distance_pct"].item() == pytest.approx(100 - 98.9375)
    assert by_strike({70: -10, 78: 20, 90: -20, 110: 30}) == [
        (pytest.approx(84), 78, 90, "falling"),
        (pytest.approx(96.6666666), 90, 110, "rising"),
    ]
    assert by_strike({70: -10, 80: 10.01}) == [], "just under 80"
