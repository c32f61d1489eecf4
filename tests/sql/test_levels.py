"""Levels of hand-made gamma profiles, where the answer is plain to see (definitions §6)."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest
from pydantic import ValidationError

from tests.chains import FRIDAY, NEXT_FRIDAY
from tests.sql.relations import CAPTURED_AT, cells, levels, net, run_relation, scope
from warehouse.settings import ModelSettings, Settings

WALLS = ("call_resistance", "call_wall_2", "call_wall_3", "put_support", "put_wall_2", "put_wall_3")
HVL = ("hvl", "hvl_lower_strike", "hvl_upper_strike")


def test_walls_are_the_largest_positive_nets_on_either_side_of_spot() -> None:
    row = levels(100, net(k85=40, k90=90, k95=70, k98=-300, k105=50, k110=200, k115=60, k120=80, k125=-10))
    assert [row[name] for name in WALLS] == [110, 120, 115, 90, 95, 85]
    assert [row[f"{name}_share"] for name in WALLS] == pytest.approx([200 / 300, 80 / 300, 60 / 300, 90 / 300, 70 / 300, 40 / 300])


def test_a_strike_equal_to_spot_is_on_neither_side() -> None:
    row = levels(100, net(k95=10, k100=1000, k105=20))
    assert [row[name] for name in WALLS] == [105, None, None, None, None, None]
    assert (row["call_resistance_share"], row["max_positive_gamma"]) == (0.02, 100), "20 of 1000 is just enough, 10 is not"


def test_a_wall_under_two_percent_of_the_peak_is_none() -> None:
    assert levels(100, net(k95=1.99, k105=100))["put_support"] is None
    assert levels(100, net(k95=2, k105=100))["put_support"] == 95
    assert levels(100, net(k95=2, k105=-100.5))["put_support"] is None, "the peak counts whatever its sign"
    strict = Settings(models=ModelSettings(level_min_share=0.5))
    assert levels(100, net(k95=49, k105=100), strict)["put_support"] is None


def test_a_share_above_one_is_no_setting() -> None:
    with pytest.raises(ValidationError):
        ModelSettings(level_min_share=1.5)


def test_equal_walls_go_to_the_strike_nearest_spot() -> None:
    row = levels(100, net(k80=7, k90=7, k95=7, k104=7, k110=7, k120=7))
    assert [row[name] for name in WALLS] == [104, 110, 120, 95, 90, 80]


def test_ties_at_one_distance_go_to_the_lower_strike() -> None:
    row = levels(100, {95.0: {"call": 5, "put": -8}, 105.0: {"call": 5, "put": -8}})
    assert (row["call_wall"], row["put_wall"], row["max_negative_gamma"]) == (95, 95, 95)
    interest = {95.0: {"call_oi": 10.0}, 105.0: {"put_oi": 10.0}}
    assert levels(100, interest)["highest_oi_strike"] == 95


def test_call_and_put_walls_are_anywhere_and_may_cross() -> None:
    row = levels(100, {90.0: {"call": 50, "put": -1}, 110.0: {"call": 5, "put": -60}})
    assert (row["call_wall"], row["put_wall"]) == (90, 110)


def test_extremes_need_a_strike_of_that_sign() -> None:
    positive = levels(100, net(k95=3, k105=4))
    assert (positive["max_positive_gamma"], positive["max_negative_gamma"]) == (105, None)
    negative = levels(100, net(k95=-3, k105=-4))
    assert (negative["max_positive_gamma"], negative["max_negative_gamma"]) == (None, 105)
    assert [negative[name] for name in WALLS] == [None] * 6


def test_hvl_is_where_the_running_sum_turns_positive() -> None:
    row = levels(100, net(k90=-30, k100=10, k110=60))
    assert [row[name] for name in HVL] == [pytest.approx(100 + 10 * 20 / 60), 100, 110]


def test_hvl_ignores_where_the_running_sum_turns_negative() -> None:
    assert levels(100, net(k90=30, k100=-60))["hvl"] is None


def test_of_several_hvls_the_one_nearest_spot_counts() -> None:
    profile = net(k85=-10, k90=20, k95=-20, k108=20, k115=-20, k118=30)
    assert levels(100, profile)["hvl_upper_strike"] == 108
    assert levels(89, profile)["hvl_upper_strike"] == 90


def test_hvl_lies_within_a_fifth_of_spot() -> None:
    profile = net(k70=-10, k80=10.01, k130=1)  # crosses just under 80
    assert levels(100, profile)["hvl"] is None
    assert levels(99, profile)["hvl"] == pytest.approx(79.99, abs=0.01)


def test_strikes_without_exposure_do_not_disturb_the_running_sum() -> None:
    profile = {85.0: {}, **net(k90=-30), 95.0: {"call": None, "put": None}, **net(k100=60)}
    row = levels(100, profile)
    assert [row[name] for name in HVL[1:]] == [95, 100]
    assert row["net_gex_usd_1pct"] == 30


def test_an_empty_profile_has_no_levels() -> None:
    row = levels(100, {95.0: {"call": None}, 105.0: {"put": 0}})
    assert {row[name] for name in (*WALLS, *HVL, "call_wall", "put_wall", "max_positive_gamma", "highest_oi_strike")} == {None}


def test_net_to_gross_says_how_much_of_the_net_is_left() -> None:
    row = levels(100, {95.0: {"call": 30, "put": -10}, 105.0: {"call": 0, "put": -60}})
    assert (row["net_gex_usd_1pct"], row["abs_gex_usd_1pct"], row["net_to_gross"]) == (-40, 100, -0.4)


def test_magnet_is_the_largest_net_of_0dte_alone() -> None:
    today = CAPTURED_AT.replace(hour=23)
    cells_ = pl.concat([cells(net(k95=-9, k105=5), expires_at=today), cells(net(k95=50, k110=100), expires_at=FRIDAY)])
    rows = run_relation("marts.gex_levels", {"core.scopes": scope(100), "marts.gex_heatmap": cells_}).sort("scope_expiry")
    assert rows["scope_expiry"].to_list() == ["0dte", "all"]
    assert rows["zero_dte_magnet"].to_list() == [95, 95]
    assert rows["max_negative_gamma"].to_list() == [95, None]
    assert rows["max_positive_gamma"].to_list() == [105, 110]


@pytest.mark.parametrize(
    ("market", "instants", "zero"),
    [
        ("us", [FRIDAY, NEXT_FRIDAY], []),
        ("us", [datetime(2026, 3, 2, 23), datetime(2026, 3, 3, 14, 30)], [datetime(2026, 3, 2, 23)]),
        ("crypto", [datetime(2026, 3, 2, 23), datetime(2026, 3, 3, 8)], [datetime(2026, 3, 2, 23)]),
        (
            "crypto",
            [datetime(2026, 3, 3, 8), datetime(2026, 3, 3, 22), datetime(2026, 3, 4, 8)],
            [datetime(2026, 3, 3, 8), datetime(2026, 3, 3, 22)],
        ),
        ("crypto", [FRIDAY], []),
    ],
    ids=["us without", "us today", "coins today", "coins within a day", "coins without"],
)
def test_0dte_is_today_or_for_coins_the_next_day(market: str, instants: list[datetime], zero: list[datetime]) -> None:
    heatmap = pl.concat([cells(net(k100=1), expires_at=instant) for instant in instants])
    series = run_relation("core.series", {"core.scopes": scope(100, market=market), "marts.gex_heatmap": heatmap})
    assert series.filter("is_zero_dte")["expires_at"].to_list() == zero
    assert series.filter(kind="pooled")["is_zero_dte"].to_list() == [None]
