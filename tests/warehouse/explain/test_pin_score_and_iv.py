"""Pin score and implied volatility explained: parts add up to the score, and the first candidate with a volatility is the one stored."""

from __future__ import annotations

import math
from datetime import datetime

import polars as pl
import pytest

from models.errors import UsageError
from tests.small_warehouse import FIRST
from tests.warehouse.explain.conftest import input_value, other, rows
from warehouse.client.warehouse import Warehouse

SHORT, LONG = datetime(2026, 3, 6, 8), datetime(2026, 3, 13, 8)


@pytest.mark.parametrize("expires_at", [SHORT, LONG])
def test_the_score_is_that_of_the_mart_and_the_sum_of_its_parts(wh: Warehouse, expires_at: datetime) -> None:
    explanation = wh.explain("pin-score", "COIN", expires_at=expires_at, as_of=FIRST)
    row = wh.pin_score("COIN", expires_at=expires_at, as_of=FIRST).row(0, named=True)
    assert explanation.number.value == row["pin_score"] is not None
    parts = rows(explanation, "The parts")
    assert {one["part"]: one["value"] for one in parts} == {
        name: row[name] for name in ("oi_part", "proximity_part", "time_part", "gamma_part")
    }
    assert math.floor(sum(one["points"] for one in parts) + 0.5) == explanation.number.value


def test_each_part_follows_from_the_inputs_shown(wh: Warehouse) -> None:
    explanation = wh.explain("pin-score", "COIN", expires_at=LONG, as_of=FIRST)
    parts = {one["part"]: one["value"] for one in rows(explanation, "The parts")}
    inputs_by_name = {one.name: one.value for one in explanation.inputs}
    assert parts["oi_part"] == pytest.approx(100 * inputs_by_name["oi_of_three"] / inputs_by_name["total_oi"])
    assert parts["time_part"] == pytest.approx(100 * math.exp(-inputs_by_name["days_to_settlement"] / 7))
    assert parts["gamma_part"] == pytest.approx(float(100 * inputs_by_name["gex_at_max_pain"] / inputs_by_name["largest_gex"]))
    row = wh.expiry_summary("COIN", expires_at=LONG, as_of=FIRST).row(0, named=True)
    week = row["spot"] * row["atm_iv"] * math.sqrt(7 / 365)
    assert inputs_by_name["move"] == pytest.approx(min(row["expected_move_1sd"], week), rel=1e-6)


def test_a_score_that_is_null_says_why(wh: Warehouse) -> None:
    explanation = wh.explain("pin-score", "IDX", expiry="2026-03-06")
    assert explanation.number.value is None and (explanation.number.note or "").startswith("null (thin)")
    assert isinstance(other(explanation, "missing-as-0").value, int)


def test_the_pool_takes_its_score_from_the_pooled_mart(wh: Warehouse) -> None:
    assert wh.explain("pin-score", "COIN", as_of=FIRST).number.value == wh.max_pain_pooled("COIN", as_of=FIRST)["pin_score"][0]


@pytest.mark.slow
def test_every_volatility_is_the_first_candidate_that_has_one(wh: Warehouse) -> None:
    lines = wh.sql(
        "select venue, instrument, iv, iv_source, iv_reason from core.option_greeks where snapshot_id = $id",
        {"id": f"COIN-{FIRST:%Y%m%dT%H%M%SZ}"},
    )
    sources = set()
    for index, row in enumerate(lines.sort("venue", "instrument").rows(named=True)):
        if index % 12 and row["iv_source"] == "venue":
            continue  # a few of the usual ones, and every unusual one
        explanation = wh.explain("iv", "COIN", instrument=row["instrument"], as_of=FIRST, venues=[row["venue"]])
        candidates = rows(explanation, "Candidates")
        first = next((one for one in candidates if one["iv"] is not None), None)
        assert (explanation.number.value, input_value(explanation, "iv_source"), input_value(explanation, "iv_reason")) == (
            row["iv"],
            row["iv_source"],
            row["iv_reason"],
        )
        assert (first and first["iv"], first and first["source"]) == (row["iv"], row["iv_source"])
        assert [one["source"] for one in candidates if one["is_taken"]] == ([row["iv_source"]] if row["iv_source"] else [])
        sources.add(row["iv_source"])
    assert {"venue", None} <= sources


def test_a_missing_volatility_has_a_reason_for_each_candidate(wh: Warehouse) -> None:
    explanation = wh.explain("iv", "COIN", expires_at=SHORT, strike=120, as_of=FIRST, venues=["deribit"])
    assert explanation.number.value is None and explanation.number.note == f"null: {input_value(explanation, 'iv_reason')}"
    assert all(one["iv"] is None and one["reason"] for one in rows(explanation, "Candidates"))


def test_of_several_lines_the_one_with_most_open_interest_is_explained(wh: Warehouse) -> None:
    explanation = wh.explain("iv", "COIN", expires_at=SHORT, strike=95, as_of=FIRST)
    lines = rows(explanation, "Lines")
    assert len(lines) == 3
    largest = max(lines, key=lambda row: row["oi_base"])
    assert {row["venue"] for row in explanation.contracts} == {largest["venue"]} and explanation.number.value == largest["iv"]
    weighted = sum(row["iv"] * row["oi_base"] for row in lines) / sum(row["oi_base"] for row in lines)
    assert other(explanation, "backquant").value == pytest.approx(100 * weighted)


def test_the_forward_and_its_source_are_shown(wh: Warehouse) -> None:
    explanation = wh.explain("iv", "COIN", expires_at=SHORT, strike=95, as_of=FIRST, venues=["deribit"])
    greeks = wh.sql("from core.option_greeks").filter(
        pl.col("instrument") == explanation.contracts[0]["instrument"], pl.col("venue") == "deribit"
    )
    row = greeks.filter(pl.col("snapshot_id") == explanation.scope.snapshot_id).row(0, named=True)
    assert (input_value(explanation, "forward"), input_value(explanation, "forward_source"), input_value(explanation, "tau")) == (
        row["forward"],
        row["forward_source"],
        row["tau"],
    )


@pytest.mark.parametrize(
    ("kind", "arguments", "says"),
    [
        ("maxpain", {}, "Nothing explains 'maxpain'. Known: max-pain"),
        ("iv", {"strike": 95}, "iv needs an instrument"),
        ("iv", {"strike": 96, "expires_at": SHORT}, "no live contract with strike 96 .* Nearest: 95"),
        ("gex", {"strike": 33}, "no live contract with strike 33. Nearest: 80"),
        ("gex", {"level": "hvl"}, "gex takes no level"),
        ("gex", {"definition": "vix"}, "gex knows no definition 'vix' here. Known: per-point"),
        ("level", {"level": "floor"}, "level needs the name of one"),
        ("max-pain", {"expiry": "2026-03-07"}, "has no live expiry on 2026-03-07. Nearest: 2026-03-06"),
        (
            "max-pain",
            {"expires_at": datetime(2026, 3, 6, 9)},
            "has no expiry that settles at 2026-03-06T09:00:00. Its first: 2026-03-06T08",
        ),
        ("max-pain", {"expiry": "2026-03-06", "expires_at": SHORT}, "not both"),
        ("max-pain", {"venues": ["kraken"]}, "from kraken is published"),
        ("iv", {"instrument": "XYZ"}, "has no instrument XYZ"),
    ],
)
def test_what_is_not_there_is_said(wh: Warehouse, kind: str, arguments: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        wh.explain(kind, "COIN", **({"as_of": FIRST} | arguments))  # type: ignore[arg-type]


def test_a_row_without_an_archive_says_so(wh: Warehouse) -> None:
    explanation = wh.explain("gex", "COIN", as_of=FIRST)
    assert explanation.raw and all(
        row.row is None and row.problem == "no archived reply of its run has this hash" for row in explanation.raw
    )
