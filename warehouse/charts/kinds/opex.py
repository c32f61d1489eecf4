"""The OPEX calendar: what share of open interest and gamma leaves with each expiry, and each expiry's own levels (definitions §8)."""

from __future__ import annotations

import duckdb
import polars as pl

from warehouse.charts import theme
from warehouse.charts.chart import Chart, lines_under
from warehouse.read.filters import ChartRequest
from warehouse.read.number_text import day, floats, number, percent, usd
from warehouse.read.query import call_macro_on
from warehouse.read.snapshot_facts import Facts, no_rows

NEAREST, LATER_ANCHORS = 20, 12  # most expiries that are readable side by side
TYPES = {"daily": "#c3cedb", "weekly": "#8ba3bd", "monthly": "#3f74b5", "quarterly": "#173f77", "unknown": "#d8d2c4"}
LEVELS = (  # column, name, colour, symbol
    ("call_resistance", "Call resistance", theme.CALLS, "triangle-up"),
    ("max_pain_strike", "Max pain", theme.PAIN, "diamond"),
    ("put_support", "Put support", theme.PUTS, "triangle-down"),
)


def read(con: duckdb.DuckDBPyConnection, facts: Facts, request: ChartRequest) -> pl.DataFrame:
    """Rows of the macro opex_calendar for live expiries; raises `UsageError` without any."""
    rows = call_macro_on(con, "opex_calendar", request.arguments()).filter("is_listed")
    if rows.is_empty():
        raise no_rows(facts, request, "live expiry")
    return rows


def shown(rows: pl.DataFrame) -> pl.DataFrame:
    """The nearest expiries, and after them only monthly and quarterly ones."""
    later = rows[NEAREST:].filter("is_anchor").head(LATER_ANCHORS)
    return pl.concat([rows.head(NEAREST), later])


def draw(facts: Facts, request: ChartRequest, rows: pl.DataFrame) -> Chart:
    """Above: roll-off per expiry, bars of open interest coloured by type and marks of gamma. Below: levels of each expiry, and spot."""
    chosen = shown(rows)
    labels = facts.labels(chosen["expires_at"].to_list())
    figure = theme.new_figure(rows=2, row_heights=[0.56, 0.44], vertical_spacing=0.07)
    for kind, color in TYPES.items():
        is_kind = [one == kind for one in chosen["type"]]
        if any(is_kind):
            values = [value if is_mine else None for value, is_mine in zip(floats(chosen["oi_rolloff_pct"]), is_kind, strict=True)]
            figure.add_bar(
                x=labels, y=values, name=f"Open interest, {kind}", marker={"color": color, "line": {"width": 0}}, row=1, col=1,
                customdata=_hover_interest(facts, chosen), hovertemplate="%{customdata}<extra></extra>",
            )  # fmt: skip
    gamma = floats(chosen["gex_rolloff_pct"])
    figure.add_scatter(
        x=labels, y=gamma, name="Gamma exposure (|calls| + |puts|)", mode="markers", row=1, col=1,
        marker={"symbol": "line-ew", "size": 16, "line": {"width": 3, "color": theme.FLIP}, "color": theme.FLIP},
        customdata=[
            f"{percent(value, 2)} of gamma exposure, {usd(amount)} per 1 %"
            for value, amount in zip(gamma, floats(chosen["abs_gex_usd_1pct"]), strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    for column, name, color, symbol in LEVELS:
        figure.add_scatter(
            x=labels, y=floats(chosen[column]), name=name, mode="markers", row=2, col=1,
            marker={"symbol": symbol, "size": 9 if symbol == "diamond" else 11, "color": color, "line": {"color": "white", "width": 0.6}},
            customdata=[number(value) for value in chosen[column]], hovertemplate="%{customdata}<extra>" + name + "</extra>",
        )  # fmt: skip
    if facts.spot is not None:
        figure.add_scatter(
            x=labels, y=[facts.spot] * len(labels), name="Spot", mode="lines", line={"color": theme.SPOT, "width": 1.6, "dash": "dot"},
            hoverinfo="skip", row=2, col=1,
        )  # fmt: skip
    figure.update_layout(barmode="overlay", hovermode="x unified")
    is_crowded = len(labels) > 14
    angle = -60 if is_crowded else 0
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=labels, showgrid=False, tickangle=angle)
    figure.update_xaxes(title={"text": "Expiry"}, row=2, col=1)
    figure.update_yaxes(title={"text": "Leaves with it, % of total"}, ticksuffix=" %", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title={"text": "Own levels, USD"}, tickformat=",", row=2, col=1)
    title = f"{facts.underlying} OPEX calendar"
    lines = lines_under(facts, request, _next_anchor(rows), _left_out(rows, chosen))
    theme.finish(figure, title, lines, facts.warnings, "opex_calendar", bottom=100 if is_crowded else 50)
    figure.update_layout(bargap=0.25)
    return Chart("opex", title, figure, facts, request.expiry)


def _hover_interest(facts: Facts, chosen: pl.DataFrame) -> list[str]:
    suffix, unit = ("_oi_contracts", "contracts") if facts.market == "us" else ("_oi", facts.underlying)
    calls, puts = chosen[f"call{suffix}"], chosen[f"put{suffix}"]
    return [
        f"{day(expiry)}, {kind}, {dte} days: {percent(share, 2)} of open interest (calls {number(call, unit)}, puts {number(put, unit)})"
        for expiry, kind, dte, share, call, put in zip(
            chosen["expiry"], chosen["type"], chosen["dte"], chosen["oi_rolloff_pct"], calls, puts, strict=True
        )
    ]


def _next_anchor(rows: pl.DataFrame) -> str:
    anchors = rows.filter("is_anchor")
    if anchors.is_empty():
        return "no monthly or quarterly expiry is listed"
    first = anchors.filter(pl.col("expiry") == anchors["expiry"][0])
    interest, gamma = (sum(value or 0 for value in first[column]) for column in ("oi_rolloff_pct", "gex_rolloff_pct"))
    kind = "triple witching" if first["is_triple_witching"].any() else first["type"][0]
    when = f"next {kind} {day(first['expiry'][0])}, in {first['dte'][0]} days"
    return f"{when}: {percent(interest)} of open interest and {percent(gamma)} of gamma exposure leave with it"


def _left_out(rows: pl.DataFrame, chosen: pl.DataFrame) -> str:
    if chosen.height == rows.height:
        return ""
    return f"{chosen.height} of {rows.height} expiries: the nearest {NEAREST}, then monthly and quarterly ones only (--dte-min for others)"
