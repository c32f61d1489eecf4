"""How charts are laid out: labels that do not cover each other, ranges around spot, numbers as people write them."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import UsageError
from warehouse.charts.levels import _LETTER, _PADDING, _PLOT_WIDTH, Level, lay_out, left_out
from warehouse.charts.view import bar_widths, strikes_in_view
from warehouse.read.filters import ChartRequest
from warehouse.read.number_text import number, percent, usd


@given(st.lists(st.floats(90, 110), max_size=9))
def test_labels_of_one_lane_never_overlap(prices: list[float]) -> None:
    view = (90.0, 110.0)
    labels = lay_out([Level(f"Level {index}", price, "#000") for index, price in enumerate(prices)], view)
    spans = []
    for label in labels:
        width, at = len(label.text) * _LETTER + _PADDING, (label.at - view[0]) / 20 * _PLOT_WIDTH
        left = {"center": at - width / 2, "left": at, "right": at - width}[label.anchor]
        spans.append((label.lane, left, left + width))
    assert all(one[0] != two[0] or one[2] <= two[1] + 1e-6 or two[2] <= one[1] + 1e-6 for one, two in combinations(spans, 2))
    assert len(labels) == len(set(prices))


def test_levels_at_one_price_share_a_label_and_those_out_of_view_are_named() -> None:
    levels = [
        Level("Call wall", 105.0, "green"),
        Level("HVL", None, "blue"),
        Level("Max pain", 105.0, "violet"),
        Level("Put wall", 80.0, "red"),
    ]
    (label,) = lay_out(levels, (95, 110))
    assert label.text == "Call wall · Max pain 105"
    assert left_out(levels, (95, 110)) == "outside the view: Put wall 80 · not found: HVL"


def test_the_view_is_where_the_weight_is_within_bounds() -> None:
    strikes = [float(strike) for strike in range(50, 151)]
    near = [1.0 if abs(strike - 100) <= 5 else 0.0 for strike in strikes]
    low, high = strikes_in_view(strikes, near, 100.0)
    assert (round(low, 6), round(high, 6)) == (94.8, 105.2), "5 %, and room for the last bar"
    assert strikes_in_view(strikes, [1.0] * 101, 100.0)[0] == pytest.approx(79.2), "never more than 20 % without being asked"
    assert strikes_in_view(strikes, near, 100.0, levels=[110.0, 140.0, None])[1] == pytest.approx(110.4), "a level near by comes into view"
    assert strikes_in_view(strikes, near, 100.0, zoom_pct=1.0) == (99.0, 101.0)
    low, high = strikes_in_view(strikes, near, None)
    assert 94 < low < 95 and 105 < high < 106, "without a spot, the strikes that carry weight"


def test_bars_never_cover_their_neighbours() -> None:
    strikes = [90.0, 95.0, 97.5, 98.0, 100.0, 150.0]
    widths = bar_widths(strikes)
    ends = [(strike - width / 2, strike + width / 2) for strike, width in zip(strikes, widths, strict=True)]
    assert all(left[1] < right[0] for left, right in pairwise(ends))
    assert bar_widths([100.0]) == [0.5] and bar_widths([]) == []


def test_numbers_are_written_as_people_write_them() -> None:
    assert [usd(value) for value in (0, 950, 999.9, 12_345, -450e6, 1.234e9, 41_200_000_000, 2e12, None)] == [
        "$0", "$950", "$1k", "$12.3k", "−$450M", "$1.23B", "$41.2B", "$2T", "not measured",
    ]  # fmt: skip
    assert usd(5e6, sign=True) == "+$5M"
    assert [number(value) for value in (7_600.5, -3.0, 2_989_836, 0.125, None)] == ["7,600.5", "−3", "2,989,836", "0.12", "not measured"]
    assert (percent(-3.04), percent(None)) == ("−3.0 %", "not measured")


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf")])
def test_sizes_are_above_zero(size: float) -> None:
    with pytest.raises(UsageError, match="give a number above 0"):
        ChartRequest("SPX", zoom_pct=size)
    with pytest.raises(UsageError, match="--strike-step"):
        ChartRequest("SPX", strike_step=size)
