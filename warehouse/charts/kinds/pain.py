"""The pain curve of one expiry: what holders of calls and puts are paid at each settlement price (definitions §4)."""

from __future__ import annotations

from typing import Any, NamedTuple

import duckdb
import numpy as np
import polars as pl

from warehouse.charts import theme
from warehouse.charts.chart import Chart, chosen_expiry, lines_under
from warehouse.charts.levels import Level, draw_levels, left_out
from warehouse.charts.view import strikes_in_view
from warehouse.read.filters import ChartRequest
from warehouse.read.number_text import floats, number, percent, usd
from warehouse.read.query import call_macro_on
from warehouse.read.snapshot_facts import Facts, no_rows


class PainRows(NamedTuple):
    """Rows of the macros pain_curve, max_pain and gex_levels for one expiry."""

    curve: pl.DataFrame
    minimum: dict[str, Any]
    levels: dict[str, Any]


def read(con: duckdb.DuckDBPyConnection, facts: Facts, request: ChartRequest) -> PainRows:
    """Read the requested expiry, or the next monthly one; raises `UsageError` without rows."""
    arguments, _ = chosen_expiry(facts, request)
    curve, minimum = (call_macro_on(con, macro, arguments) for macro in ("pain_curve", "max_pain"))
    if curve.is_empty():
        raise no_rows(facts, request, "pain curve for this expiry")
    levels = call_macro_on(con, "gex_levels", arguments).filter(pl.col("scope_expiry") == "all")
    return PainRows(curve, minimum.row(0, named=True), levels.row(0, named=True))


def draw(facts: Facts, request: ChartRequest, rows: PainRows) -> Chart:
    """Areas of call and put pain, one on the other, so that their edge is the total; max pain, spot and walls."""
    curve, minimum, spot = rows.curve, rows.minimum, rows.minimum["spot"]
    strikes = curve["strike"].to_list()
    levels = [
        Level("Max pain", minimum["max_pain_strike"], theme.PAIN, "solid"),
        Level("Spot", spot, theme.SPOT, "dot"),
        Level("Call wall", rows.levels["call_wall"], theme.CALLS),
        Level("Put wall", rows.levels["put_wall"], theme.PUTS),
    ]
    interest = _interest_by_strike(curve)
    view = strikes_in_view(strikes, interest, spot, levels=[level.at for level in levels], zoom_pct=request.zoom_pct, share=0.6)
    figure = theme.new_figure()
    for column, name, color, soft in (
        ("put_pain_usd", "Puts are paid", theme.PUTS, "rgba(209,56,79,0.30)"),
        ("call_pain_usd", "Calls are paid", theme.CALLS, "rgba(13,138,114,0.30)"),
    ):
        figure.add_scatter(
            x=strikes, y=floats(curve[column]), name=name, mode="lines", stackgroup="pain", fillcolor=soft,
            line={"color": color, "width": 0.8}, customdata=[usd(value) for value in floats(curve[column])],
            hovertemplate="%{customdata}<extra>" + name + "</extra>",
        )  # fmt: skip
    total = floats(curve["total_pain_usd"])
    figure.add_scatter(
        x=strikes, y=total, name="Both together", mode="lines", line={"color": theme.INK, "width": 2.4},
        customdata=[usd(value) for value in total], hovertemplate="%{customdata}<extra>Both together</extra>",
    )  # fmt: skip
    if minimum["max_pain_strike"] is not None:
        figure.add_scatter(
            x=[minimum["max_pain_strike"]], y=[minimum["max_pain_usd"]], mode="markers", showlegend=False, hoverinfo="skip",
            marker={"color": theme.PAIN, "size": 10, "line": {"color": "white", "width": 2}},
        )  # fmt: skip
    _show_tie(figure, minimum)
    seen = np.interp(view, strikes, curve["total_pain_usd"].to_numpy()).tolist()  # convex: highest at an end of the view
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(theme.strike_axis(view) | {"title": {"text": "Settlement price, USD"}})
    figure.update_yaxes(theme.usd_axis("Paid to option holders, USD"), range=[0, 1.06 * max(seen) or 1])
    _, name = chosen_expiry(facts, request)
    title = f"{facts.underlying} pain curve · {name}"
    lanes = draw_levels(figure, levels, view)
    lines = lines_under(facts, request, _in_words(facts, minimum), left_out(levels, view))
    theme.finish(figure, title, lines, facts.warnings, "pain_curve, max_pain, gex_levels", lanes=lanes)
    return Chart("pain", title, figure, facts, minimum["expiry"])


def _interest_by_strike(curve: pl.DataFrame) -> list[float | None]:
    """Open interest of each strike: the change of the curve's slope there (definitions §4)."""
    slope = pl.col("total_pain_usd").diff() / pl.col("strike").diff()
    return curve.select((slope.shift(-1) - slope).fill_null(0.0).clip(lower_bound=0.0)).to_series().to_list()


def _show_tie(figure: Any, minimum: dict[str, Any]) -> None:
    """A band when several strikes tie for the least pain."""
    low, high = minimum["max_pain_low"], minimum["max_pain_high"]
    if low is not None and high > low:
        figure.add_vrect(x0=low, x1=high, fillcolor=theme.PAIN, opacity=0.10, line_width=0)


def _in_words(facts: Facts, minimum: dict[str, Any]) -> str:
    suffix, unit = ("_contracts", "contracts") if facts.market == "us" else ("", facts.underlying)
    interest = [minimum[f"{side}_oi{suffix}"] for side in ("call", "put")]
    total = None if interest == [None, None] else sum(one or 0 for one in interest)
    days = f"{minimum['dte']} days to settlement"
    if minimum["max_pain_strike"] is None:
        return f"{days} · no open interest, so no max pain"
    where = "" if minimum["distance_pct"] is None else f": spot is {percent(minimum['distance_pct'])} {minimum['direction']} it"
    where = ": spot is at it" if minimum["direction"] == "at" else where
    tie = ""
    if minimum["max_pain_high"] > minimum["max_pain_low"]:
        tie = f" (tied up to {number(minimum['max_pain_high'])})"
    ratio = "" if minimum["pcr"] is None else f", put/call {minimum['pcr']:.2f}"
    least = f"max pain {number(minimum['max_pain_strike'])}{tie}, {usd(minimum['max_pain_usd'])} paid{where}"
    return f"{days} · {least} · open interest {number(total, unit)}{ratio}"
