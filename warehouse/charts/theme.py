"""The look that all charts share: colours, fonts, title block, axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

CALLS, PUTS = "#0d8a72", "#d1384f"  # distinguishable for the colour-blind; calls are also always up or to the right
CALLS_SOFT, PUTS_SOFT = "#a9dccf", "#f3bcc4"
INK, MUTED, GRID, ZERO = "#16202e", "#5d6b7e", "#e8ecf1", "#9aa7b8"
SPOT, PAIN, FLIP, OTHER = "#16202e", "#6d3fd4", "#c77700", "#2b6cb0"
WARNING = "#b45309"
LINES = ("#2b6cb0", "#6d3fd4", "#0d8a72", "#c77700", "#d1384f", "#0891a5")  # for several series of one kind
FONT = "Inter, 'Segoe UI', 'Helvetica Neue', Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
SIGNS = "calls +, puts −"  # scenario std, as in every mart
HEIGHT = 760
BOTTOM = 116  # pixels under the plot: ticks, title, one row of legend, source
_LINE, _TITLE, _LANE = 18, 48, 18  # pixels


def new_figure(rows: int = 1, **subplots: Any) -> Figure:
    """An empty figure, with `rows` panels one above the other on one x axis."""
    from plotly.graph_objects import Figure
    from plotly.subplots import make_subplots

    return Figure() if rows == 1 else make_subplots(rows=rows, cols=1, shared_xaxes=True, **subplots)


def finish(
    figure: Figure, title: str, lines: Sequence[str], warnings: Sequence[str], source: str, *, lanes: int = 0, bottom: int = 0
) -> None:  # fmt: skip
    """Title block, margins, legend and axes; `source` names the tables.

    `lanes` rows of level labels lie between title and plot; `bottom` more pixels are for a long legend or long ticks.
    """
    shown = [*lines, *(f"<span style='color:{WARNING}'><b>{text}</b></span>" for text in warnings)]
    figure.update_layout(
        title={
            "text": f"<b>{title}</b>", "x": 0, "xref": "paper", "xanchor": "left", "y": 1, "yref": "container", "yanchor": "top",
            "pad": {"t": 16}, "font": {"size": 21, "color": INK}, "automargin": False,
            "subtitle": {"text": "<br>".join(shown), "font": {"size": 12.5, "color": MUTED}},
        },
        font={"family": FONT, "size": 12.5, "color": INK},
        paper_bgcolor="white", plot_bgcolor="white", template="none",
        margin={"l": 84, "r": 40, "t": _TITLE + _LINE * len(shown) + 16 + _LANE * lanes, "b": BOTTOM + bottom},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 0.034, "yref": "container", "yanchor": "bottom", "font": {"size": 12}},
        hoverlabel={"font": {"family": FONT, "size": 12.5}, "bgcolor": "white", "bordercolor": ZERO},
        bargap=0, autosize=True, dragmode="zoom",
    )  # fmt: skip
    figure.update_xaxes(
        gridcolor=GRID, linecolor=ZERO, zeroline=False, ticks="outside", tickcolor=ZERO, title_font_size=12.5, title_standoff=8
    )
    figure.update_yaxes(
        gridcolor=GRID, zerolinecolor=ZERO, zerolinewidth=1.2, title_font_size=12.5, title_standoff=14, automargin=True,
        exponentformat="B",
    )  # fmt: skip
    figure.add_annotation(
        text=f"Strikehouse · {source}", x=1, xref="paper", xanchor="right", y=0, yref="paper", yanchor="bottom",
        yshift=-(BOTTOM + bottom - 4), showarrow=False, font={"size": 10.5, "color": ZERO},
    )  # fmt: skip


def usd_axis(title: str) -> dict[str, Any]:
    """A y axis in USD: ticks as 2B, −500M."""
    return {"title": {"text": title}, "separatethousands": True}


def strike_axis(view: tuple[float, float]) -> dict[str, Any]:
    """The x axis of strikes, showing `view`."""
    return {"title": {"text": "Strike, USD"}, "range": list(view), "tickformat": ",", "nticks": 16, "hoverformat": ",.6~f"}
