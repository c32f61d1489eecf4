"""The term structure: expected moves around spot, max pain and volatilities per expiry, each as in its table."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from tests.warehouse.charts.conftest import texts, trace
from warehouse.charts.chart import Chart
from warehouse.charts.kinds import term
from warehouse.read.filters import ChartRequest


def test_the_cone_is_spot_plus_and_minus_the_expected_moves(draw: Callable[..., Chart], ask: Callable[..., pl.DataFrame]) -> None:
    chart, rows = draw("term", "COIN"), ask("expiry_summary", "COIN")
    spot = chart.facts.spot
    for deviations in (1, 2):
        lower, upper = (one for one in chart.figure.data if (one.name or "").startswith(f"Expected move, {deviations} "))
        known = rows.filter(pl.col("expected_move_1sd").is_not_null())
        moves = [0.0, *known[f"expected_move_{deviations}sd"]]
        assert list(lower.x) == [chart.facts.captured_at, *known["expires_at"]]
        assert list(lower.y) == [spot - move for move in moves]
        assert list(upper.y) == [spot + move for move in moves]
        assert upper.fill == "tonexty"


def test_max_pain_and_volatilities_are_those_of_the_tables(draw: Callable[..., Chart], ask: Callable[..., pl.DataFrame]) -> None:
    chart, pain, rows = draw("term", "IDX"), ask("max_pain", "IDX"), ask("expiry_summary", "IDX")
    assert list(trace(chart, "Max pain (size: open interest)").y) == pain["max_pain_strike"].to_list()
    for name, column in (("At the money", "atm_iv"), ("25-delta put", "put_25d_iv"), ("25-delta call", "call_25d_iv")):
        assert list(trace(chart, name).y) == [None if value is None else 100 * value for value in rows[column]]


def test_an_expiry_without_a_volatility_is_a_gap_and_the_reason_is_said(
    draw: Callable[..., Chart], ask: Callable[..., pl.DataFrame]
) -> None:
    facts = draw("term", "COIN").facts
    pain, summary = ask("max_pain", "COIN"), ask("expiry_summary", "COIN")
    first = pl.col("expires_at") == summary["expires_at"][0]
    measured = ("atm_iv", "put_25d_iv", "call_25d_iv", "expected_move_1sd", "expected_move_2sd")
    summary = summary.with_columns(
        *(pl.when(first).then(None).otherwise(pl.col(name)).alias(name) for name in measured),
        pl.when(first).then(pl.lit("no_bracket")).alias("atm_iv_reason"),
    )
    chart = term.draw(facts, ChartRequest("COIN"), term.TermRows(pain, summary))
    assert trace(chart, "At the money").y[0] is None and trace(chart, "At the money").y[1] is not None
    assert "Without a volatility, drawn as gaps: 1 of 2 expiries (no bracket)" in texts(chart)
    assert pytest.approx(summary["expected_move_1sd"][1]) == chart.figure.data[3].y[1] - facts.spot
