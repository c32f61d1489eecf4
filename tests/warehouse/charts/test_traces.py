"""What charts draw is what the tables say: the same numbers, nulls as gaps, units and signs in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

import duckdb
import polars as pl
import pytest

from models.errors import UsageError
from tests.small_warehouse import THIRD_FRIDAY_AM
from tests.warehouse.charts.conftest import texts, trace
from warehouse.charts.chart import Chart
from warehouse.charts.kinds.heatmap import grid
from warehouse.charts.registry import KINDS
from warehouse.charts.strike_rows import StrikeRows
from warehouse.read.filters import ChartRequest
from warehouse.read.query import query_on
from warehouse.read.snapshot_facts import Facts, read_facts

Draw = Callable[..., Chart]
Ask = Callable[..., pl.DataFrame]
THIRD_FRIDAY = date(2026, 3, 20)


def column(frame: pl.DataFrame, name: str) -> list[float | None]:
    return [None if value is None else float(value) for value in frame[name]]


def test_pain_stacks_calls_on_puts_so_that_their_edge_is_the_total(draw: Draw, ask: Ask) -> None:
    chart, curve = draw("pain", "COIN", expiry=date(2026, 3, 6)), ask("pain_curve", "COIN", expiry=date(2026, 3, 6))
    for name, of in (("Puts are paid", "put_pain_usd"), ("Calls are paid", "call_pain_usd"), ("Both together", "total_pain_usd")):
        assert list(trace(chart, name).x) == curve["strike"].to_list()
        assert list(trace(chart, name).y) == column(curve, of)
    assert {trace(chart, name).stackgroup for name in ("Puts are paid", "Calls are paid")} == {"pain"}
    (row,) = ask("max_pain", "COIN", expiry=date(2026, 3, 6)).rows(named=True)
    (mark,) = [one for one in chart.figure.data if one.mode == "markers"]
    assert (list(mark.x), list(mark.y)) == ([row["max_pain_strike"]], [row["max_pain_usd"]])
    assert f"<b>Max pain · Put wall {row['max_pain_strike']:g}</b>" in texts(chart), "levels at one strike share a label"


def test_pain_without_an_expiry_is_that_of_the_next_monthly_one_with_both_settlements(draw: Draw) -> None:
    chart = draw("pain", "idx")
    assert chart.expiry == THIRD_FRIDAY
    assert chart.title == "IDX pain curve · Fri 20 Mar 2026, quarterly (AM + PM)"
    assert chart.facts.snapshot_id.startswith("IDX-")
    assert chart.file_stem_of("pain") == f"IDX-pain-2026-03-20-{chart.facts.snapshot_id[4:]}"
    assert chart.file_stem_of("all") == f"IDX-all-{chart.facts.snapshot_id[4:]}"


def test_one_settlement_alone_can_be_drawn(draw: Draw, ask: Ask) -> None:
    morning = draw("pain", "IDX", expires_at=str(THIRD_FRIDAY_AM))
    assert list(trace(morning, "Both together").y) == column(ask("pain_curve", "IDX", expires_at=str(THIRD_FRIDAY_AM)), "total_pain_usd")
    assert list(trace(morning, "Both together").y) != list(trace(draw("pain", "IDX"), "Both together").y)


def test_open_interest_goes_up_for_calls_down_for_puts_and_is_absent_where_unknown(draw: Draw, ask: Ask) -> None:
    chart, profile = draw("oi", "COIN"), ask("gex_profile", "COIN")
    assert list(trace(chart, "Calls").y) == column(profile, "call_oi")
    assert list(trace(chart, "Puts").y) == [None if value is None else -value for value in column(profile, "put_oi")]
    assert None in trace(chart, "Calls").y, "a strike whose interest is not known has no bar, not one of height 0"
    assert "not measured" in trace(chart, "Calls").customdata
    assert "1 of 36 bars missing: not listed, or not measured" in texts(chart)
    assert chart.figure.layout.yaxis.title.text == "Open interest, COIN: calls up, puts down"
    assert all(not text.startswith("−") for text in chart.figure.layout.yaxis.ticktext)


def test_open_interest_of_us_underlyings_is_in_contracts(draw: Draw, ask: Ask) -> None:
    chart = draw("oi", "IDX")
    assert list(trace(chart, "Calls").y) == column(ask("gex_profile", "IDX"), "call_oi_contracts")
    assert "contracts" in chart.figure.layout.yaxis.title.text


def test_gamma_shows_calls_puts_and_their_net_with_unit_and_sign(draw: Draw, ask: Ask) -> None:
    chart, profile = draw("gex", "COIN"), ask("gex_profile", "COIN")
    net = column(profile, "net_gex_usd_1pct")
    assert list(trace(chart, "Calls").y) == column(profile, "call_gex_usd_1pct")
    assert list(trace(chart, "Puts").y) == column(profile, "put_gex_usd_1pct")
    positive, negative = list(trace(chart, "Net, positive").y), list(trace(chart, "Net, negative").y)
    assert [up if up is not None else down for up, down in zip(positive, negative, strict=True)] == net
    assert all(up is None or up >= 0 for up in positive) and all(down is None or down < 0 for down in negative)
    assert chart.figure.layout.yaxis.title.text == "Gamma exposure, USD per 1 % move; calls +, puts −"
    assert "of open interest has no volatility and is left out" in texts(chart)


def test_a_missing_level_is_named_and_has_no_line(draw: Draw, ask: Ask) -> None:
    (levels,) = ask("gex_levels", "COIN").filter(scope_expiry="all").rows(named=True)
    chart = draw("gex", "COIN")
    names = {
        "Call resistance": levels["call_resistance"],
        "Put support": levels["put_support"],
        "HVL": levels["hvl"],
        "Call wall": levels["call_wall"],
    }
    assert None in names.values()
    subtitle, labels = chart.figure.layout.title.subtitle.text, " ".join(one.text for one in chart.figure.layout.annotations)
    drawn = {one.x0 for one in chart.figure.layout.shapes}
    for name, at in names.items():
        if at is None:
            assert name in subtitle.partition("ot found:")[2] and name not in labels
        else:
            assert at in drawn and name in labels
    filtered = draw("gex", "COIN", strike_min=90.0).figure.layout.title.subtitle.text
    assert "gamma flip 102.53, negative gamma" in subtitle and "no gamma flip: not available filtered" in filtered


def test_the_heatmap_holds_the_net_of_every_cell_and_nothing_where_nothing_is_listed(draw: Draw, ask: Ask) -> None:
    chart, cells = draw("heatmap", "COIN", zoom_pct=50), ask("gex_heatmap", "COIN")
    (heat,) = chart.figure.data
    expected = {(row["expires_at"], row["strike"]): row["net_gex_usd_1pct"] for row in cells.iter_rows(named=True)}
    instants = sorted({instant for instant, _ in expected})
    assert len(heat.x) == len(instants)
    for strike, line in zip(heat.y, heat.z, strict=True):
        for instant, value in zip(instants, line, strict=True):
            known = expected.get((instant, strike))
            assert value == (None if known is None else float(known))
    assert any(value is None for line in heat.z for value in line)
    assert (heat.zmid, heat.zmin) == (0, -heat.zmax), "colours diverge from zero"
    assert heat.colorscale[3] == (0.5, "#fbfbfc")


def test_the_heatmap_tells_am_and_pm_of_one_date_apart(draw: Draw) -> None:
    assert list(draw("heatmap", "IDX").figure.data[0].x) == ["6 Mar", "20 Mar AM", "20 Mar PM"]
    assert list(draw("heatmap", "IDX", expiry=THIRD_FRIDAY).figure.data[0].x) == ["20 Mar AM", "20 Mar PM"]


def test_strikes_of_the_heatmap_are_added_up_in_whole_steps(draw: Draw, ask: Ask) -> None:
    chart = draw("heatmap", "COIN", zoom_pct=50, strike_step=10.0)
    (heat,) = chart.figure.data
    cells = ask("gex_heatmap", "COIN").with_columns(row=((pl.col("strike") + 5) // 10 * 10))
    for column_index, instant in enumerate(cells["expires_at"].unique().sort()):
        for strike, line in zip(heat.y, heat.z, strict=True):
            inside = cells.filter((pl.col("row") == strike) & (pl.col("expires_at") == instant))["net_gex_usd_1pct"].drop_nulls()
            assert line[column_index] == (float(inside.sum()) if len(inside) else None)
    assert "steps of 10" in texts(chart)


def test_a_heatmap_row_with_no_measured_value_stays_empty(draw: Draw) -> None:
    facts = draw("heatmap", "COIN").facts
    instant = facts.expiries[0]["expires_at"]
    cells = pl.DataFrame(
        {"expires_at": [instant] * 2, "strike": [100.0, 105.0], "net_gex_usd_1pct": [None, 0.0], "abs_gex_usd_1pct": [None, 0.0]},
        schema_overrides={"net_gex_usd_1pct": pl.Float64},
    )
    assert grid(facts, ChartRequest("COIN", zoom_pct=50), cells).net == [[None], [0.0]], "not measured is not zero"


def test_the_profile_is_the_table_level_by_level_and_its_flip_is_marked(draw: Draw, ask: Ask) -> None:
    chart, profile = draw("profile", "IDX"), ask("gamma_profile", "IDX")
    for scope, name in (("all", "All expiries"), ("ex_next", "Without the next expiry")):
        part = profile.filter(scope_expiry=scope)
        assert list(trace(chart, name).x) == part["spot_level"].to_list()
        assert list(trace(chart, name).y) == column(part, "net_gex_usd_1pct")
    zones = ask("gamma_flip_zones", "IDX").filter(scope_expiry="all", method="spot_ladder")
    assert list(trace(chart, "Changes of sign").x) == zones["level"].to_list()
    with pytest.raises(UsageError, match="of all strikes"):
        draw("profile", "IDX", window_pct=5)


def test_opex_shows_roll_off_by_type_and_own_levels_by_expiry(draw: Draw, ask: Ask) -> None:
    chart, rows = draw("opex", "IDX"), ask("opex_calendar", "IDX")
    labels = ["6 Mar", "20 Mar AM", "20 Mar PM"]
    by_type = {one.name: list(one.y) for one in chart.figure.data if one.type == "bar"}
    shares = column(rows, "oi_rolloff_pct")
    assert by_type == {"Open interest, weekly": [shares[0], None, None], "Open interest, quarterly": [None, *shares[1:]]}
    assert list(trace(chart, "Gamma exposure (|calls| + |puts|)").y) == column(rows, "gex_rolloff_pct")
    for name, of in (("Max pain", "max_pain_strike"), ("Call resistance", "call_resistance"), ("Put support", "put_support")):
        assert (list(trace(chart, name).x), list(trace(chart, name).y)) == (labels, column(rows, of))
    assert "Next triple witching Fri 20 Mar 2026" in texts(chart)


def test_drift_follows_max_pain_and_spot_over_snapshots(draw: Draw, con: duckdb.DuckDBPyConnection) -> None:
    chart = draw("drift", "COIN")
    rows = query_on(con, "from marts.max_pain where underlying = 'COIN' and scope_venue = 'all' order by expires_at, captured_at")
    lines = [one for one in chart.figure.data if one.name.startswith("Max pain")]
    assert len(lines) == rows["expires_at"].n_unique() == 2
    for line, (_, part) in zip(lines, rows.group_by("expires_at", maintain_order=True), strict=True):
        assert (list(line.x), list(line.y)) == (part["captured_at"].to_list(), column(part, "max_pain_strike"))
    spots = rows.unique("captured_at").sort("captured_at")
    assert (list(trace(chart, "Spot").x), list(trace(chart, "Spot").y)) == (spots["captured_at"].to_list(), column(spots, "spot"))
    with pytest.raises(UsageError, match="for all venues or for one"):
        draw("drift", "COIN", venues=["deribit", "okx"], as_of="2026-03-02 23:00")


def test_drift_ends_with_the_requested_snapshot(draw: Draw) -> None:
    first = draw("drift", "COIN").figure.data[-1].x[0]
    assert list(draw("drift", "COIN", as_of=str(first)).figure.data[-1].x) == [first]


def test_a_partial_snapshot_says_which_venue_is_missing(draw: Draw) -> None:
    assert "PARTIAL SNAPSHOT: without bybit, okx" in texts(draw("gex", "COIN"))
    assert "PARTIAL" not in texts(draw("gex", "IDX"))


def test_titles_say_underlying_instant_venues_and_filters(draw: Draw) -> None:
    chart = draw("gex", "COIN", as_of="2026-03-02 22:59", dte_max=10, strike_min=90.0)
    said = texts(chart)
    for part in (
        "COIN gamma exposure by strike · some expiries",
        "Captured 2026-03-02 22:00 UTC · spot 101.5 · all venues (bybit, deribit, okx)",
        "Computed from strikes from 90, days to settlement up to 10 only",
    ):
        assert part in said
    assert "venues deribit, okx of bybit, deribit, okx" in texts(draw("gex", "COIN", venues=["okx,deribit"], as_of="2026-03-02 22:59"))


def test_every_kind_of_underlying_has_a_next_expiry_even_without_monthly_ones() -> None:
    weekly = {"expires_at": datetime(2026, 3, 6, 8), "total_oi": 5.0, "is_anchor": False}
    empty_anchor = {"expires_at": datetime(2026, 3, 20, 8), "total_oi": None, "is_anchor": True}
    facts = Facts.__new__(Facts)
    object.__setattr__(facts, "expiries", (weekly, empty_anchor))
    assert facts.next_anchor() is weekly


def test_without_a_spot_charts_are_drawn_without_its_line_and_say_so(con: duckdb.DuckDBPyConnection) -> None:
    request = ChartRequest("COIN")
    facts = replace(read_facts(con, request), spot=None)
    for kind in ("oi", "gex", "heatmap", "term", "opex"):
        rows = KINDS[kind].read(con, facts, request)
        if isinstance(rows, StrikeRows):
            rows = rows._replace(levels=rows.levels | {"spot": None})
        chart = KINDS[kind].draw(facts, request, rows)
        assert "spot not measured" in texts(chart), kind
        assert "<b>Spot" not in texts(chart) and not any(one.name == "Spot" for one in chart.figure.data), kind
