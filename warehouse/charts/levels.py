"""Lines at key levels, with labels above the plot that do not cover each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from warehouse.charts.theme import CALLS, INK, PUTS
from warehouse.charts.view import Range
from warehouse.read.number_text import number

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_PLOT_WIDTH, _LETTER, _PADDING = 1000.0, 7.2, 14.0  # pixels: of the narrowest plot that labels are laid out for


class Level(NamedTuple):
    """A price with a name; `at` is None when it was not measured."""

    name: str
    at: float | None
    color: str
    dash: str = "dash"


class Label(NamedTuple):
    """Levels at one price, written once."""

    at: float
    text: str
    color: str
    dash: str
    lane: int
    anchor: str


def lay_out(levels: Iterable[Level], view: Range) -> list[Label]:
    """Labels of the levels in view: those at one price share one, and each gets the lowest lane with room."""
    by_price: dict[float, list[Level]] = {}
    for level in levels:
        if level.at is not None and view[0] <= level.at <= view[1]:
            by_price.setdefault(level.at, []).append(level)
    ends: list[float] = []  # where the last label of each lane ends, in pixels
    labels = []
    for at, same in sorted(by_price.items()):
        text = f"{' · '.join(level.name for level in same)} {number(at)}"
        width, position = len(text) * _LETTER + _PADDING, (at - view[0]) / (view[1] - view[0]) * _PLOT_WIDTH
        left = min(max(position - width / 2, 0.0), max(_PLOT_WIDTH - width, 0.0))
        anchor = "center" if left == position - width / 2 else "left" if position < _PLOT_WIDTH / 2 else "right"
        left = {"center": left, "left": position, "right": position - width}[anchor]
        lane = next((number for number, end in enumerate(ends) if end <= left), len(ends))
        ends[lane : lane + 1] = [left + width]
        color = INK if {CALLS, PUTS} <= {level.color for level in same} else same[0].color
        labels.append(Label(at, text, color, same[0].dash, lane, anchor))
    return labels


def draw_levels(figure: Figure, levels: Sequence[Level], view: Range, *, is_behind: bool = False) -> int:
    """Draw them, above the traces or behind them; returns the number of label rows above the plot."""
    labels = lay_out(levels, view)
    for label in sorted(labels, key=lambda one: -one.lane):  # the lower ones are drawn over the leaders of the higher ones
        line = {"color": label.color, "width": 1.6, "dash": label.dash}
        layer = "between" if is_behind else "above"
        figure.add_shape(type="line", layer=layer, x0=label.at, x1=label.at, y0=0, y1=1, xref="x", yref="paper", line=line)
        figure.add_annotation(
            x=label.at, y=1, xref="x", yref="paper", text=f"<b>{label.text}</b>", showarrow=True, arrowhead=0, arrowwidth=1,
            arrowcolor=label.color, ax=0, ay=-(11 + 18 * label.lane), xanchor=label.anchor, yanchor="middle",
            font={"size": 11.5, "color": label.color}, bgcolor="rgba(255,255,255,0.94)", borderpad=1,
        )  # fmt: skip
    return max((label.lane + 1 for label in labels), default=0)


def left_out(levels: Iterable[Level], view: Range) -> str:
    """Text about levels that are not drawn: outside the view or not measured; empty when there are none."""
    levels = list(levels)
    outside = [f"{one.name} {number(one.at)}" for one in levels if one.at is not None and not view[0] <= one.at <= view[1]]
    missing = [one.name for one in levels if one.at is None]
    parts = [f"outside the view: {', '.join(outside)}"] if outside else []
    parts += [f"not found: {', '.join(missing)}"] if missing else []
    return " · ".join(parts)
