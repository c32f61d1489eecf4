"""Gamma exposure by strike with its key levels (definitions §5, §6)."""

from __future__ import annotations

from typing import Any

import duckdb
import polars as pl

from warehouse.charts import theme
from warehouse.charts.chart import Chart, expiries_in_words, lines_under
from warehouse.charts.levels import Level, draw_levels, left_out
from warehouse.charts.strike_rows import StrikeRows
from warehouse.charts.view import bar_widths, strikes_in_view, within
from warehouse.read.filters import ChartRequest
from warehouse.read.number_text import floats, number, percent, usd
from warehouse.read.query import call_macro_on
from warehouse.read.snapshot_facts import Facts, no_rows


def read(con: duckdb.DuckDBPyConnection, facts: Facts, request: ChartRequest) -> StrikeRows:
    """The profile over the requested expiries and its levels; raises `UsageError` without rows."""
    profile = call_macro_on(con, "gex_profile", request.arguments())
    if profile.is_empty():
        raise no_rows(facts, request, "gamma exposure")
    levels = call_macro_on(con, "gex_levels", request.arguments()).filter(pl.col("scope_expiry") == "all").row(0, named=True)
    return StrikeRows(profile, levels, {})


def draw(facts: Facts, request: ChartRequest, rows: StrikeRows) -> Chart:
    """Calls up and puts down in pale bars, the net of both in strong ones; spot, resistance, support, walls, HVL and flip."""
    profile, level_values = rows.profile, rows.levels
    strikes, net = profile["strike"].to_list(), floats(profile["net_gex_usd_1pct"])
    levels = [
        Level("Spot", level_values["spot"], theme.SPOT, "dot"),
        Level("Call resistance", level_values["call_resistance"], theme.CALLS),
        Level("Put support", level_values["put_support"], theme.PUTS),
        Level("Call wall", level_values["call_wall"], theme.CALLS, "dashdot"),
        Level("Put wall", level_values["put_wall"], theme.PUTS, "dashdot"),
        Level("HVL", level_values["hvl"], theme.OTHER),
        Level("Gamma flip", level_values["gamma_flip"], theme.FLIP, "solid"),
    ]
    view = strikes_in_view(
        strikes, floats(profile["abs_gex_usd_1pct"]), level_values["spot"], zoom_pct=request.zoom_pct, share=0.85,
        levels=[level.at for level in levels if level.name != "HVL"],
    )  # fmt: skip
    figure, widths = theme.new_figure(), bar_widths(strikes)
    for column, name, color in (
        ("call_gex_usd_1pct", "Calls", theme.CALLS_SOFT),
        ("put_gex_usd_1pct", "Puts", theme.PUTS_SOFT),
    ):
        values = floats(profile[column])
        figure.add_bar(
            x=strikes, y=values, width=widths, name=name, marker={"color": color, "line": {"width": 0}},
            customdata=[usd(value, sign=True) for value in values], hovertemplate="%{customdata}<extra>" + name + "</extra>",
        )  # fmt: skip
    for name, is_shown, color in (("Net, positive", _positive, theme.CALLS), ("Net, negative", _negative, theme.PUTS)):
        values = [value if is_shown(value) else None for value in net]
        figure.add_bar(
            x=strikes, y=values, width=[0.5 * width for width in widths], name=name, marker={"color": color, "line": {"width": 0}},
            customdata=[usd(value, sign=True) for value in values], hovertemplate="%{customdata}<extra>Net</extra>",
        )  # fmt: skip
    inside = within(strikes, view)
    sides = [floats(profile[f"{side}_gex_usd_1pct"]) for side in ("call", "put")]
    seen = [one for side in sides for one, visible in zip(side, inside, strict=True) if visible and one is not None]
    low, high = min([0.0, *seen]), max([0.0, *seen])
    pad = 0.06 * (high - low) or 1.0
    figure.update_layout(barmode="overlay", hovermode="x unified")
    figure.update_xaxes(theme.strike_axis(view), showgrid=False)
    figure.update_yaxes(theme.usd_axis(f"Gamma exposure, USD per 1 % move; {theme.SIGNS}"), range=[low - pad, high + pad])
    title = f"{facts.underlying} gamma exposure by strike · {expiries_in_words(facts, request)}"
    lanes = draw_levels(figure, levels, view, is_behind=True)
    lines = lines_under(facts, request, _in_words(level_values), left_out([one for one in levels if one.name != "Gamma flip"], view))
    theme.finish(figure, title, lines, facts.warnings, "gex_profile, gex_levels", lanes=lanes)
    return Chart("gex", title, figure, facts, request.expiry)


def _positive(value: float | None) -> bool:
    return value is not None and value >= 0


def _negative(value: float | None) -> bool:
    return value is not None and value < 0


def _in_words(level_values: dict[str, Any]) -> str:
    share = "" if level_values["net_to_gross"] is None else f", {percent(100 * level_values['net_to_gross'])} of gross"
    parts = [f"net {usd(_float(level_values['net_gex_usd_1pct']), sign=True)} per 1 %{share}", flip_in_words(level_values)]
    if level_values["oi_without_iv_pct"]:
        parts.append(f"{percent(level_values['oi_without_iv_pct'])} of open interest has no volatility and is left out")
    return " · ".join(parts)


def flip_in_words(level_values: dict[str, Any]) -> str:
    """The flip and its regime, or why there is none."""
    if level_values["gamma_flip"] is None:
        return f"no gamma flip: {level_values['gamma_flip_status'].replace('_', ' ')}"
    return f"gamma flip {number(level_values['gamma_flip'])}, {level_values['regime'].replace('_', ' ')}"


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
