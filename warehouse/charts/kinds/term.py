"""Term structure: expected moves around spot, max pain of each expiry, and the volatilities behind them (definitions §4, §7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

import duckdb
import polars as pl

from warehouse.charts import theme
from warehouse.charts.chart import Chart, lines_under
from warehouse.read.filters import ChartRequest
from warehouse.read.number_text import day, floats, number, percent
from warehouse.read.query import call_macro_on
from warehouse.read.snapshot_facts import Facts, no_rows

DEFAULT_DAYS = 120  # in view at first; pan to see further ones
_BAND = "rgba(43,108,176,0.13)"
VOLATILITIES = (  # column, name, colour, width
    ("atm_iv", "At the money", theme.INK, 2.4),
    ("put_25d_iv", "25-delta put", theme.PUTS, 1.4),
    ("call_25d_iv", "25-delta call", theme.CALLS, 1.4),
)


class TermRows(NamedTuple):
    """Rows of the macros max_pain and expiry_summary for the same expiries."""

    max_pain: pl.DataFrame
    summary: pl.DataFrame


def read(con: duckdb.DuckDBPyConnection, facts: Facts, request: ChartRequest) -> TermRows:
    """Every expiry that passes the filters; raises `UsageError` without any."""
    max_pain, summary = (call_macro_on(con, macro, request.arguments()) for macro in ("max_pain", "expiry_summary"))
    if max_pain.is_empty():
        raise no_rows(facts, request, "live expiry")
    return TermRows(max_pain, summary)


def draw(facts: Facts, request: ChartRequest, rows: TermRows) -> Chart:
    """Above: spot, the cone of one and two expected moves, max pain by expiry. Below: implied volatility by expiry."""
    figure = theme.new_figure(rows=2, row_heights=[0.62, 0.38], vertical_spacing=0.06)
    _cone(figure, facts, rows.summary)
    _max_pain(figure, facts, rows.max_pain)
    at, names = rows.summary["expires_at"].to_list(), facts.labels(rows.summary["expires_at"].to_list())
    for column, name, color, width in VOLATILITIES:
        values = [None if value is None else 100 * value for value in rows.summary[column]]
        figure.add_scatter(
            x=at, y=values, name=name, mode="lines+markers", line={"color": color, "width": width}, marker={"size": 5, "color": color},
            customdata=[f"{label}: {percent(value)}" for label, value in zip(names, values, strict=True)],
            hovertemplate="%{customdata}<extra>" + name + "</extra>", row=2, col=1,
        )  # fmt: skip
    end = _end_of_view(facts, request, rows.max_pain)
    figure.update_layout(hovermode="x unified")
    start = facts.captured_at - (end - facts.captured_at) * 0.01
    figure.update_xaxes(type="date", range=[start, end], hoverformat="settles %Y-%m-%d %H:%M UTC")
    figure.update_xaxes(title={"text": "Expiry"}, row=2, col=1)
    figure.update_yaxes(title={"text": "USD"}, tickformat=",", range=_prices_in_view(facts, rows, end), row=1, col=1)
    figure.update_yaxes(title={"text": "Implied volatility"}, ticksuffix=" %", range=_volatilities_in_view(rows, end), row=2, col=1)
    title = f"{facts.underlying} max pain and expected move by expiry"
    later = rows.max_pain.filter(pl.col("expires_at") > end).height
    unseen = f"{later} later expiries outside the view (--dte-max shows them)" if later else ""
    lines = lines_under(facts, request, _in_words(rows), _missing(rows.summary), unseen)
    theme.finish(figure, title, lines, facts.warnings, "max_pain, expiry_summary", bottom=46)
    return Chart("term", title, figure, facts, request.expiry)


def _cone(figure: Any, facts: Facts, summary: pl.DataFrame) -> None:
    """Spot ± one and two deviations, from now on; an expiry without a volatility is left out of the edge."""
    known = summary.filter(pl.col("expected_move_1sd").is_not_null())
    if facts.spot is None or known.is_empty():
        return
    times = [facts.captured_at, *known["expires_at"]]
    for column, deviations in (("expected_move_2sd", 2), ("expected_move_1sd", 1)):
        moves = [0.0, *floats(known[column])]
        for sign, fill in ((-1, None), (1, "tonexty")):
            name = f"Expected move, {deviations} standard deviation{'s' if deviations > 1 else ''}"
            edge = [None if move is None else facts.spot + sign * move for move in moves]
            figure.add_scatter(
                x=times, y=edge, name=name, mode="lines", line={"width": 0.8, "color": theme.OTHER}, fill=fill, fillcolor=_BAND,
                showlegend=sign > 0, legendgroup=name, row=1, col=1,
                customdata=[f"{number(value)} ({'−' if sign < 0 else '+'}{number(move)})" for value, move in zip(edge, moves, strict=True)],
                hovertemplate="%{customdata}<extra>" + ("+" if sign > 0 else "−") + f"{deviations} s.d.</extra>",
            )  # fmt: skip
    figure.add_scatter(
        x=[times[0], times[-1]], y=[facts.spot, facts.spot], name="Spot", mode="lines", hoverinfo="skip",
        line={"color": theme.SPOT, "width": 1.6, "dash": "dot"}, row=1, col=1,
    )  # fmt: skip


def _max_pain(figure: Any, facts: Facts, rows: pl.DataFrame) -> None:
    """A mark per expiry, larger with more open interest."""
    interest = [value or 0.0 for value in rows["total_oi"]]
    most = max(interest, default=0.0) or 1.0
    figure.add_scatter(
        x=rows["expires_at"].to_list(), y=floats(rows["max_pain_strike"]), name="Max pain (size: open interest)", mode="lines+markers",
        row=1, col=1, line={"color": "rgba(109,63,212,0.35)", "width": 1.2},
        marker={
            "color": theme.PAIN, "size": [6 + 16 * (one / most) ** 0.5 for one in interest], "line": {"color": "white", "width": 1},
            "opacity": 0.9,
        },
        customdata=[
            f"{label}: {number(strike)}, {row_dte} days"
            for label, strike, row_dte in zip(facts.labels(rows["expires_at"].to_list()), rows["max_pain_strike"], rows["dte"], strict=True)
        ],
        hovertemplate="%{customdata}<extra>Max pain</extra>",
    )  # fmt: skip


def _end_of_view(facts: Facts, request: ChartRequest, rows: pl.DataFrame) -> Any:
    last = max(rows["expires_at"])
    has_filter = request.dte_min is not None or request.dte_max is not None or request.expiry is not None or request.expires_at is not None
    end = last if has_filter else min(last, facts.captured_at + timedelta(days=DEFAULT_DAYS))
    return end + (end - facts.captured_at) * 0.02


def _prices_in_view(facts: Facts, rows: TermRows, end: Any) -> list[float] | None:
    seen = [value for value in rows.max_pain.filter(pl.col("expires_at") <= end)["max_pain_strike"] if value is not None]
    if facts.spot is not None:
        moves = [value for value in rows.summary.filter(pl.col("expires_at") <= end)["expected_move_2sd"] if value is not None]
        seen += [facts.spot, *(facts.spot + sign * move for move in moves for sign in (-1, 1))]
    return _padded(seen)


def _volatilities_in_view(rows: TermRows, end: Any) -> list[float] | None:
    near = rows.summary.filter(pl.col("expires_at") <= end)
    return _padded([100 * value for column, *_ in VOLATILITIES for value in near[column] if value is not None])


def _padded(seen: list[float]) -> list[float] | None:
    if not seen:
        return None
    pad = 0.05 * (max(seen) - min(seen)) or 0.05 * abs(seen[0])
    return [min(seen) - pad, max(seen) + pad]


def _in_words(rows: TermRows) -> str:
    known = rows.summary.filter(pl.col("expected_move_1sd").is_not_null())
    if known.is_empty():
        return ""
    row = known.row(0, named=True)
    move, volatility = number(row["expected_move_1sd"]), percent(100 * row["atm_iv"])
    return f"by {day(row['expiry'])}: ±{move} expected (1 s.d.), at-the-money volatility {volatility}"


def _missing(summary: pl.DataFrame) -> str:
    """Why some expiries have no volatility."""
    without = summary.filter(pl.col("atm_iv").is_null())
    if without.is_empty():
        return ""
    reasons = ", ".join(sorted({reason.replace("_", " ") for reason in without["atm_iv_reason"] if reason}))
    return f"without a volatility, drawn as gaps: {without.height} of {summary.height} expiries ({reasons})"
