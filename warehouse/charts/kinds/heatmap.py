"""Net gamma exposure by strike and expiry (definitions §5)."""

from __future__ import annotations

from typing import Any, NamedTuple

import duckdb
import numpy as np
import polars as pl

from warehouse.charts import theme
from warehouse.charts.chart import Chart, expiries_in_words, lines_under
from warehouse.charts.view import strikes_in_view
from warehouse.read.filters import ChartRequest
from warehouse.read.number_text import day, floats, number, percent, usd
from warehouse.read.query import call_macro_on
from warehouse.read.snapshot_facts import Facts, no_rows

MOST_EXPIRIES, MOST_ROWS = 26, 44  # most columns and rows that are readable
CLIP_SHARE = 0.98  # quantile of the cells: larger ones have the strongest colour
_HUES = ("#8c1530", "#d1384f", "#f3bcc4", "#fbfbfc", "#a9dccf", "#0d8a72", "#04503f")


class Grid(NamedTuple):
    """Drawn values: a label per expiry, strikes from low to high, and values by strike and expiry; None is not listed or not measured."""

    expiries: list[dict[str, Any]]
    strikes: list[float]
    step: float | None  # USD that a row covers; None: rows are single strikes
    net: list[list[float | None]]


def read(con: duckdb.DuckDBPyConnection, facts: Facts, request: ChartRequest) -> pl.DataFrame:
    """Rows of the macro gex_heatmap; raises `UsageError` without rows."""
    cells = call_macro_on(con, "gex_heatmap", request.arguments(expiry=None))  # by date it would pool AM and PM settlement
    if request.expiry is not None:
        cells = cells.filter(pl.col("expiry") == request.expiry)
    if cells.is_empty():
        raise no_rows(facts, request, "gamma exposure")
    return cells


def grid(facts: Facts, request: ChartRequest, cells: pl.DataFrame) -> Grid:
    """The nearest expiries and the strikes in view, neighbouring strikes summed when there are too many."""
    known = {one["expires_at"]: one for one in facts.expiries}
    instants = cells["expires_at"].unique().sort()[:MOST_EXPIRIES].to_list()
    near = cells.filter(pl.col("expires_at").is_in(instants))
    by_strike = near.group_by("strike").agg(pl.col("abs_gex_usd_1pct").sum()).sort("strike")
    strikes, weights = by_strike["strike"].to_list(), floats(by_strike["abs_gex_usd_1pct"])
    low, high = strikes_in_view(strikes, weights, facts.spot, zoom_pct=request.zoom_pct, share=0.9)
    in_view = near.filter(pl.col("strike").is_between(low, high))["strike"].unique().sort()
    step = request.strike_step or _readable_step(in_view)
    row = pl.col("strike") if step is None else ((pl.col("strike") / step + 0.5).floor() * step).alias("strike")
    near = near.filter(row.is_between(low, high))  # whole rows: a step is never cut by the view
    net = pl.when(pl.col("net_gex_usd_1pct").count() > 0).then(pl.col("net_gex_usd_1pct").sum())  # no value at all stays null
    sums = near.group_by("expires_at", row).agg(net.alias("net"))
    wide = sums.pivot("expires_at", index="strike", values="net").sort("strike")
    values = [floats(wide[str(instant)]) if str(instant) in wide.columns else [None] * wide.height for instant in _as_named(instants, wide)]
    by_row = [list(line) for line in zip(*values, strict=True)]
    return Grid([known[instant] for instant in instants], wide["strike"].to_list(), step, by_row)


def draw(facts: Facts, request: ChartRequest, cells: pl.DataFrame) -> Chart:
    """Expiries across, strikes upwards; colours diverge from zero and saturate at the 98 % quantile of |net|."""
    shown = grid(facts, request, cells)
    labels = facts.labels([one["expires_at"] for one in shown.expiries])
    flat = np.array([abs(value) for line in shown.net for value in line if value])
    clip = float(np.quantile(flat, CLIP_SHARE, method="higher")) if len(flat) else 1.0
    figure = theme.new_figure()
    texts = [
        [_hover(shown, strike, expiry, value) for expiry, value in zip(shown.expiries, line, strict=True)]
        for strike, line in zip(shown.strikes, shown.net, strict=True)
    ]
    figure.add_heatmap(
        x=labels, y=shown.strikes, z=shown.net, zmin=-clip, zmax=clip, zmid=0, colorscale=_colors(), hoverongaps=False, xgap=1, ygap=1,
        text=texts, hovertemplate="%{text}<extra></extra>",
        colorbar={
            "title": {"text": f"Net gamma exposure, USD per 1 % move; {theme.SIGNS}", "side": "right", "font": {"size": 11.5}},
            "thickness": 16, "len": 0.96, "tickvals": [share * clip for share in (-1, -0.5, -0.1, 0, 0.1, 0.5, 1)], "outlinewidth": 0,
            "ticktext": [usd(share * clip, sign=True) for share in (-1, -0.5, -0.1, 0, 0.1, 0.5, 1)], "x": 1.075,
        },
    )  # fmt: skip
    if facts.spot is not None:
        figure.add_hline(y=facts.spot, line={"color": theme.SPOT, "width": 1.6, "dash": "dot"})
        figure.add_annotation(
            x=1, xref="paper", y=facts.spot, xanchor="left", yanchor="middle", showarrow=False, font={"size": 11.5},
            text=f" <b>Spot<br> {number(facts.spot)}</b>", align="left",
        )  # fmt: skip
    half = (shown.step or _readable_gap(shown.strikes)) / 2
    figure.update_xaxes(type="category", title={"text": "Expiry"}, showgrid=False, tickangle=-45 if len(labels) > 12 else 0)
    figure.update_yaxes(
        title={"text": "Strike, USD"}, tickformat=",", showgrid=False, nticks=18, range=[shown.strikes[0] - half, shown.strikes[-1] + half]
    )
    title = f"{facts.underlying} net gamma heatmap · {day(request.expiry) if request.expiry else expiries_in_words(facts, request)}"
    lines = lines_under(facts, request, _in_words(facts, request, shown), _colors_in_words(clip, flat))
    theme.finish(figure, title, lines, facts.warnings, "gex_heatmap")
    figure.update_layout(plot_bgcolor="#dde3ea", margin={"r": 214})
    return Chart("heatmap", title, figure, facts, request.expiry)


def _as_named(instants: list[Any], wide: pl.DataFrame) -> list[str]:
    """Column names that `pivot` gives to instants."""
    by_time = {name[:19]: name for name in wide.columns if name != "strike"}
    return [by_time.get(str(instant)[:19], str(instant)) for instant in instants]


def _readable_step(strikes: pl.Series) -> float | None:
    """The round step that leaves at most MOST_ROWS rows; None when there are no more strikes than that."""
    if len(strikes) <= MOST_ROWS:
        return None
    span = float(strikes[-1] - strikes[0])
    return next(size for power in range(-6, 12) for size in (10.0**power, 2.5 * 10.0**power, 5 * 10.0**power) if span / size < MOST_ROWS)


def _readable_gap(strikes: list[float]) -> float:
    return float(np.median(np.diff(strikes))) if len(strikes) > 1 else 0.02 * strikes[0]


def _colors() -> list[tuple[float, str]]:
    """Diverging colours whose strength grows with the square root of the value: most cells are small and must stay distinguishable."""
    half = (len(_HUES) - 1) // 2
    positions = [0.5 + 0.5 * np.sign(index - half) * (abs(index - half) / half) ** 2 for index in range(len(_HUES))]
    return [(float(position), color) for position, color in zip(positions, _HUES, strict=True)]


def _hover(shown: Grid, strike: float, expiry: dict[str, Any], value: float | None) -> str:
    if value is None:
        return ""
    low_high = number(strike) if shown.step is None else f"{number(strike - shown.step / 2)} to under {number(strike + shown.step / 2)}"
    return f"<b>{day(expiry['expiry'])}</b>, {expiry['dte']} days<br>strike {low_high}<br>net {usd(value, sign=True)} per 1 %"


def _in_words(facts: Facts, request: ChartRequest, shown: Grid) -> str:
    parts = []
    within = [one for one in facts.expiries if request.dte_max is None or one["dte"] <= request.dte_max]
    if request.expiry is None and request.expires_at is None and len(shown.expiries) < len(within):
        parts.append(f"the nearest {len(shown.expiries)} of {len(within)} expiries (--dte-min for later ones)")
    if shown.step is not None:
        parts.append(f"strikes added up in steps of {number(shown.step)}")
    return " · ".join(parts)


def _colors_in_words(clip: float, flat: np.ndarray) -> str:
    parts = ["grey: not listed, or not measured"]
    if len(flat) and flat.max() > clip:
        share = percent(100 * CLIP_SHARE, 0)
        parts.append(f"colour is strongest from ±{usd(clip)} on: {share} of nonzero cells are below, the largest is {usd(flat.max())}")
    return " · ".join(parts)
