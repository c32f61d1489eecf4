"""The gamma profile: net gamma exposure at other levels of spot, and its flip (definitions §6)."""

from __future__ import annotations

from typing import Any, NamedTuple

import duckdb
import polars as pl

from models.errors import UsageError
from warehouse.charts import theme
from warehouse.charts.chart import Chart, expiries_in_words, lines_under
from warehouse.charts.kinds.gamma import flip_in_words
from warehouse.charts.levels import Level, draw_levels, left_out
from warehouse.charts.view import within
from warehouse.read.filters import ChartRequest
from warehouse.read.number_text import floats, number, usd
from warehouse.read.query import call_macro_on
from warehouse.read.snapshot_facts import Facts, no_rows

DEFAULT_ZOOM_PCT = 10.0  # the table reaches 20 % either way; the flip is searched there
SCOPES = {  # scope_expiry → name, colour, width
    "all": ("All expiries", theme.INK, 2.6),
    "ex_next": ("Without the next expiry", theme.OTHER, 1.6),
    "ex_anchor": ("Without the next monthly or quarterly", theme.PAIN, 1.6),
    "0dte": ("0DTE alone", "#0891a5", 1.6),
}


class ProfileRows(NamedTuple):
    """Rows of the macros gamma_profile, gex_levels (over the requested expiries) and gamma_flip_zones."""

    profile: pl.DataFrame
    levels: dict[str, Any]
    zones: pl.DataFrame


def read(con: duckdb.DuckDBPyConnection, facts: Facts, request: ChartRequest) -> ProfileRows:
    """The profile over the requested expiries; raises `UsageError` under strike filters, for which there is none, or without rows."""
    if request.has_strike_filter:
        raise UsageError("The gamma profile is of all strikes: leave strike filters out; --zoom-pct shows less of it.")
    macros = ("gamma_profile", "gex_levels", "gamma_flip_zones")
    profile, levels, zones = (call_macro_on(con, macro, request.arguments()) for macro in macros)
    if profile.is_empty():
        raise no_rows(facts, request, "gamma profile")
    ladder = (pl.col("scope_expiry") == "all") & (pl.col("method") == "spot_ladder")
    return ProfileRows(profile, levels.filter(pl.col("scope_expiry") == "all").row(0, named=True), zones.filter(ladder))


def draw(facts: Facts, request: ChartRequest, rows: ProfileRows) -> Chart:
    """A line per scope over levels of spot, green above zero and red below for all expiries; spot, the flip, and further roots."""
    level_values = rows.levels
    levels = [
        Level("Spot", level_values["spot"], theme.SPOT, "dot"),
        Level("Gamma flip", level_values["gamma_flip"], theme.FLIP, "solid"),
        Level("Call resistance", level_values["call_resistance"], theme.CALLS),
        Level("Put support", level_values["put_support"], theme.PUTS),
    ]
    around = request.zoom_pct or DEFAULT_ZOOM_PCT
    at = rows.profile["spot_level"]
    center = level_values["spot"] or float(at.median() or 1)  # type: ignore[arg-type]
    view = (max(center * (1 - around / 100), float(at.min())), min(center * (1 + around / 100), float(at.max())))  # type: ignore[arg-type]
    figure, seen = theme.new_figure(), [0.0]
    for scope, (name, color, width) in SCOPES.items():
        part = rows.profile.filter(pl.col("scope_expiry") == scope)
        prices, net = part["spot_level"].to_list(), floats(part["net_gex_usd_1pct"])
        if all(value is None for value in net):
            continue
        if scope == "all":
            _fill(figure, prices, net)
        seen += [one for one, inside in zip(net, within(prices, view), strict=True) if inside and one is not None]
        figure.add_scatter(
            x=prices, y=net, name=name, mode="lines", line={"color": color, "width": width},
            customdata=[usd(value, sign=True) for value in net], hovertemplate="%{customdata}<extra>" + name + "</extra>",
        )  # fmt: skip
    _roots(figure, rows.zones)
    pad = 0.06 * (max(seen) - min(seen)) or 1.0
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(theme.strike_axis(view) | {"title": {"text": "If spot stood at, USD"}, "hoverformat": ",.2f"})
    figure.update_yaxes(theme.usd_axis(f"Net gamma exposure, USD per 1 % move; {theme.SIGNS}"), range=[min(seen) - pad, max(seen) + pad])
    title = f"{facts.underlying} gamma profile · {expiries_in_words(facts, request)}"
    lanes = draw_levels(figure, levels, view)
    lines = lines_under(facts, request, _in_words(rows), left_out([one for one in levels if one.name != "Gamma flip"], view))
    theme.finish(figure, title, lines, facts.warnings, "gamma_profile, gex_levels, gamma_flip_zones", lanes=lanes)
    return Chart("profile", title, figure, facts, request.expiry)


def _fill(figure: Any, prices: list[float], net: list[float | None]) -> None:
    """Fill above zero in the colour of calls, below zero in that of puts."""
    sides = (("rgba(13,138,114,0.20)", max), ("rgba(209,56,79,0.18)", min))
    for color, side in sides:
        figure.add_scatter(
            x=prices, y=[None if value is None else side(value, 0.0) for value in net], mode="lines", line={"width": 0}, fill="tozeroy",
            fillcolor=color, showlegend=False, hoverinfo="skip",
        )  # fmt: skip


def _roots(figure: Any, zones: pl.DataFrame) -> None:
    """A ring at each level where the total changes sign."""
    if zones.is_empty():
        return
    figure.add_scatter(
        x=zones["level"].to_list(), y=[0.0] * zones.height, name="Changes of sign", mode="markers",
        marker={"symbol": "circle-open", "size": 10, "color": theme.FLIP, "line": {"width": 2}},
        customdata=[f"{number(row['level'])}, {row['direction']}" for row in zones.iter_rows(named=True)],
        hovertemplate="%{customdata}<extra>Change of sign</extra>",
    )  # fmt: skip


def _in_words(rows: ProfileRows) -> str:
    level_values = rows.levels
    parts = [flip_in_words(level_values)]
    if level_values["gamma_flip"] is not None and level_values["spot"]:
        away = 100 * (level_values["gamma_flip"] / level_values["spot"] - 1)
        parts[0] += f", {abs(away):.1f} % {'above' if away > 0 else 'below'} spot"
    if rows.zones.height > 1:
        parts.append(f"{rows.zones.height} changes of sign within 20 %")
    return " · ".join([*parts, "forwards moved with spot, volatilities held"])
