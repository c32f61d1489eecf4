"""Open interest by strike: calls upwards, puts downwards (definitions §2)."""

from __future__ import annotations

import duckdb
import numpy as np
import polars as pl

from warehouse.charts import theme
from warehouse.charts.chart import Chart, expiries_in_words, lines_under
from warehouse.charts.levels import Level, draw_levels, left_out
from warehouse.charts.strike_rows import StrikeRows
from warehouse.charts.view import bar_widths, strikes_in_view, within
from warehouse.read.filters import ChartRequest
from warehouse.read.number_text import floats, number
from warehouse.read.query import call_macro_on
from warehouse.read.snapshot_facts import Facts, no_rows


def read(con: duckdb.DuckDBPyConnection, facts: Facts, request: ChartRequest) -> StrikeRows:
    """Open interest by strike, and max pain when one expiry is requested; raises `UsageError` without rows."""
    profile = call_macro_on(con, "gex_profile", request.arguments())
    if profile.is_empty():
        raise no_rows(facts, request, "open interest")
    levels = call_macro_on(con, "gex_levels", request.arguments()).filter(pl.col("scope_expiry") == "all").row(0, named=True)
    pooled = call_macro_on(con, "max_pain_pooled", request.arguments()).row(0, named=True)
    return StrikeRows(profile, levels, pooled)


def draw(facts: Facts, request: ChartRequest, rows: StrikeRows) -> Chart:
    """Bars of calls and puts by strike, in contracts (US) or coins, with spot, the largest strike and max pain."""
    profile, spot = rows.profile, rows.levels["spot"]
    suffix, unit = ("_oi_contracts", "contracts") if facts.market == "us" else ("_oi", facts.underlying)
    strikes = profile["strike"].to_list()
    calls, puts = (floats(profile[f"{side}{suffix}"]) for side in ("call", "put"))
    is_one_expiry = request.expiry is not None or request.expires_at is not None
    levels = [
        Level("Spot", spot, theme.SPOT, "dot"),
        Level("Largest open interest", rows.levels["highest_oi_strike"], theme.OTHER),
        Level("Max pain" if is_one_expiry else "Max pain, all expiries pooled", rows.max_pain["max_pain_strike"], theme.PAIN, "solid"),
    ]
    both = [(call or 0) + (put or 0) for call, put in zip(calls, puts, strict=True)]
    view = strikes_in_view(strikes, both, spot, levels=[level.at for level in levels], zoom_pct=request.zoom_pct, share=0.45)
    inside = within(strikes, view)
    widths = bar_widths(strikes)
    figure = theme.new_figure()
    for name, values, sign, color in (("Calls", calls, 1, theme.CALLS), ("Puts", puts, -1, theme.PUTS)):
        figure.add_bar(
            x=strikes, y=[None if value is None else sign * value for value in values], width=widths, name=name,
            marker={"color": color, "line": {"width": 0}}, customdata=[number(value, unit) for value in values],
            hovertemplate="%{customdata}<extra>" + name + "</extra>",
        )  # fmt: skip
    highest = max([abs(one) for side in (calls, puts) for one, seen in zip(side, inside, strict=True) if seen and one], default=1.0)
    ticks = _ticks(max([abs(one) for side in (calls, puts) for one in side if one], default=1.0), highest)
    figure.update_layout(barmode="overlay", hovermode="x unified")
    figure.update_xaxes(theme.strike_axis(view), showgrid=False)
    figure.update_yaxes(
        title={"text": f"Open interest, {unit}: calls up, puts down"}, range=[-1.08 * highest, 1.08 * highest],
        tickvals=ticks, ticktext=[number(abs(tick)) for tick in ticks],
    )  # fmt: skip
    title = f"{facts.underlying} open interest by strike · {expiries_in_words(facts, request)}"
    lanes = draw_levels(figure, levels, view, is_behind=True)
    lines = lines_under(facts, request, _in_words(calls, puts, unit), left_out(levels, view))
    theme.finish(figure, title, lines, facts.warnings, "gex_profile, gex_levels, max_pain_pooled", lanes=lanes)
    return Chart("oi", title, figure, facts, request.expiry)


def _in_words(calls: list[float | None], puts: list[float | None], unit: str) -> str:
    call, put = (sum(one for one in side if one is not None) for side in (calls, puts))
    ratio = f" · put/call {put / call:.2f}" if call else ""
    unsaid = sum(one is None for side in (calls, puts) for one in side)
    gaps = f" · {unsaid} of {2 * len(calls)} bars missing: not listed, or not measured" if unsaid else ""
    return f"calls {number(call, unit)} · puts {number(put, unit)}{ratio}{gaps}"


def _ticks(most: float, seen: float) -> list[float]:
    """Round values either side of zero, about four steps in view; both sides are read as positive."""
    step = next(size for power in range(-6, 15) for size in (10.0**power, 2 * 10.0**power, 5 * 10.0**power) if seen / size <= 4.5)
    ticks: list[float] = (np.arange(-np.ceil(most / step), np.ceil(most / step) + 1) * step).tolist()
    return ticks
