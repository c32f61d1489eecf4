"""Max pain over snapshots (definitions §11)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from models.errors import UsageError
from warehouse.charts import theme
from warehouse.charts.chart import Chart, lines_under
from warehouse.read.filters import ChartRequest
from warehouse.read.number_text import day, floats, instant, number, usd
from warehouse.read.query import report_on
from warehouse.read.snapshot_facts import Facts, selected_expiries

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_EXPIRIES = 6


def read(con: duckdb.DuckDBPyConnection, facts: Facts, request: ChartRequest) -> pl.DataFrame:
    """Max pain and spot by snapshot for the requested expiry, or for the live ones with most open interest; raises `UsageError`."""
    if "+" in facts.scope_venue:
        raise UsageError("Drift is drawn for all venues or for one: name one --venue, or none.")
    if request.has_strike_filter:
        raise UsageError("Drift is drawn over all strikes: leave strike filters out.")
    rows = report_on(con, "max_pain_drift", {"underlying": facts.underlying, "scope_venue": facts.scope_venue, "until": facts.captured_at})
    expiries = selected_expiries(con, facts, request)
    if request.expiry is None:
        expiries = sorted(expiries, key=lambda one: (-(one["total_oi"] or 0), one["expires_at"]))[:MOST_EXPIRIES]
    return rows.filter(pl.col("expires_at").is_in([one["expires_at"] for one in expiries]))


def draw(facts: Facts, request: ChartRequest, rows: pl.DataFrame) -> Chart:
    """A line of max pain per expiry, spot, and the tied strikes as a band for a single expiry."""
    spots = rows.select("captured_at", "spot").unique("captured_at").sort("captured_at")
    figure = theme.new_figure()
    by_expiry = [part for _, part in rows.group_by("expires_at", maintain_order=True)]
    labels = facts.labels([part["expires_at"][0] for part in by_expiry])
    for label, part, color in zip(labels, by_expiry, theme.LINES, strict=False):
        times, strikes = part["captured_at"].to_list(), floats(part["max_pain_strike"])
        if len(by_expiry) == 1:
            _band(figure, part)
        figure.add_scatter(
            x=times, y=strikes, name=f"Max pain {label}", mode="lines+markers", line={"color": color, "width": 2.2},
            marker={"size": 7, "color": color, "line": {"color": "white", "width": 1}},
            customdata=[
                f"{number(strike)} · {usd(paid)} paid · {dte} days left"
                for strike, paid, dte in zip(strikes, floats(part["max_pain_usd"]), part["dte"], strict=True)
            ],
            hovertemplate="%{customdata}<extra>Max pain " + label + "</extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=spots["captured_at"].to_list(), y=floats(spots["spot"]), name="Spot", mode="lines+markers",
        line={"color": theme.SPOT, "width": 2, "dash": "dot"}, marker={"size": 6, "color": theme.SPOT},
        customdata=[number(spot) for spot in spots["spot"]], hovertemplate="%{customdata}<extra>Spot</extra>",
    )  # fmt: skip
    figure.update_layout(hovermode="x unified")
    only = spots["captured_at"][0] if spots.height == 1 else None  # a single instant would be shown to the millisecond
    span = [only - timedelta(days=1), only + timedelta(days=1)] if only is not None else None
    figure.update_xaxes(title={"text": "Captured at, UTC"}, type="date", hoverformat="%Y-%m-%d %H:%M UTC", range=span)
    figure.update_yaxes(title={"text": "USD"}, tickformat=",", nticks=12)
    dates = rows["expiry"].unique()
    chosen = day(dates[0]) if len(dates) == 1 else f"the {len(by_expiry)} expiries with most open interest"
    title = f"{facts.underlying} max pain over time · {chosen}"
    theme.finish(figure, title, lines_under(facts, request, _in_words(rows)), facts.warnings, "marts.max_pain")
    return Chart("drift", title, figure, facts, request.expiry)


def _band(figure: Figure, part: pl.DataFrame) -> None:
    """The tied strikes around max pain, when there are several."""
    low, high, times = floats(part["max_pain_low"]), floats(part["max_pain_high"]), part["captured_at"].to_list()
    if low == high:
        return
    for edge, fill, name in ((low, None, "Lowest tied strike"), (high, "tonexty", "Highest tied strike")):
        figure.add_scatter(
            x=times, y=edge, mode="lines", line={"width": 0}, fill=fill, fillcolor="rgba(43,108,176,0.15)", name=name,
            showlegend=False, hoverinfo="skip",
        )  # fmt: skip


def _in_words(rows: pl.DataFrame) -> str:
    first, last, count = rows["captured_at"].min(), rows["captured_at"].max(), rows["captured_at"].n_unique()
    if count == 1:
        return "one snapshot so far: the next ones will make a line of it"
    return f"{count} snapshots from {instant(first)} to {instant(last)}"  # type: ignore[arg-type]
