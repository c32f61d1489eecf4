"""What a run says of its numbers: how far gamma is from the venue's, and why some are not measured."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest

from flows.run.report import PRINTED_RELATIONS, gamma_lines, missing_lines
from models.contracts.registry import PUBLISHED
from models.pricing import black76
from tests.conftest import Demo
from warehouse.catalog.relations import SQL_FOLDER
from warehouse.read.query import query, report

# relation → quantity, the column that is null without it, the column that says why; an alignment is never null
REASONS = {
    "core.option_greeks": [("iv", "iv", "iv_reason")],
    "core.expiry_smile": [
        ("atm_iv", "atm_iv", "atm_iv_reason"), ("straddle", "straddle", "straddle_reason"), ("put_25d_iv", "put_25d_iv", "put_25d_reason"),
        ("call_25d_iv", "call_25d_iv", "call_25d_reason"), ("density", "density_log_sd", "density_reason"),
    ],
    "marts.expiry_summary": [
        ("atm_iv", "atm_iv", "atm_iv_reason"), ("straddle", "straddle", "straddle_reason"), ("put_25d_iv", "put_25d_iv", "put_25d_reason"),
        ("call_25d_iv", "call_25d_iv", "call_25d_reason"), ("density", "density_log_sd", "density_reason"),
        ("expected_move_1d", "expected_move_1d_2sd", "expected_move_1d_reason"),
    ],
    "marts.max_pain": [("shape", "shape", "shape_reason")],
    "marts.gex_levels": [("gamma_flip", "gamma_flip", "gamma_flip_status")],
    "marts.pin_score": [("pin_score", "pin_score", "pin_score_reason"), ("gamma_flip", "gamma_flip", "gamma_flip_status")],
    "marts.max_pain_pooled": [("pin_score", "pin_score", "pin_score_reason"), ("gamma_flip", "gamma_flip", "gamma_flip_status")],
    "marts.oi_change": [("oi_change", "oi_change", "oi_change_reason")],
}  # fmt: skip
COPIES = {"marts.scanner", "marts.pin_probability"}  # of marts.pin_score and marts.gex_levels; a probability waits for outcomes
OF_VENUES = {"incomplete_reason"}  # says why a reply is a part of a chain, not why a number is missing

Counts = dict[tuple[str, str, str, str], int]


@pytest.fixture(scope="module")
def ids(demo: Demo) -> list[str]:
    return query(demo.home, "select snapshot_id from core.snapshots order by 1")["snapshot_id"].to_list()


def counted(demo: Demo, ids: list[str]) -> Counts:
    """(underlying, relation, quantity, reason) → how many, as the report says."""
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for underlying, _, relation, quantity, reason, count in report(demo.home, "null_reasons", ids).iter_rows():
        counts[underlying, relation, quantity, reason] += count
    return dict(counts)


def rows_of(demo: Demo, relation: str, ids: list[str]) -> pl.DataFrame:
    rows = query(demo.home, f"from {relation}").filter(pl.col("snapshot_id").is_in(ids))
    return rows.filter(scope_venue="all") if "scope_venue" in rows.columns else rows


def test_every_column_that_says_why_a_number_is_missing_is_counted() -> None:
    columns = {
        (relation, name)
        for relation, contract in PUBLISHED.items()
        for name in contract.column_names()
        if name.endswith("_reason") or name == "gamma_flip_status"
    }
    known = {(relation, why) for relation, quantities in REASONS.items() for _, _, why in quantities}
    assert {(relation, name) for relation, name in columns if relation not in COPIES and name not in OF_VENUES} == known
    assert set(REASONS) >= set(PRINTED_RELATIONS)
    sql = (SQL_FOLDER / "reports" / "null_reasons.sql").read_text()
    assert all(relation in sql for relation in REASONS)


@pytest.mark.parametrize("session", ["first", "last", "both"])
def test_reasons_are_counted_as_polars_counts_them(demo: Demo, ids: list[str], session: str) -> None:
    """Of the snapshots that are asked for, and no others; a number is null exactly where there is a reason."""
    chosen = {"first": ids[::2], "last": ids[1::2], "both": ids}[session]
    counts = counted(demo, chosen)
    expected: Counter[tuple[str, str, str, str]] = Counter()
    for relation, quantities in REASONS.items():
        rows = rows_of(demo, relation, chosen)
        for quantity, value, why in quantities:
            is_said = pl.col(why).is_not_null() & (pl.col(why) != "available")
            assert rows.select((pl.col(value).is_null() == is_said).all()).item(), (relation, value, why)
            for snapshot_id, reason in rows.filter(pl.col(value).is_null()).select("snapshot_id", why).iter_rows():
                expected[snapshot_id.split("-")[0], relation, quantity, reason] += 1
    assert {key: count for key, count in counts.items() if key[2] != "alignment"} == dict(expected)
    assert {quantity for _, _, quantity, _ in counts} >= {"density", "oi_change", "pin_score", "alignment", "gamma_flip"}


def test_an_unknown_alignment_is_counted_with_what_it_lacks(demo: Demo, ids: list[str]) -> None:
    counts = {key: count for key, count in counted(demo, ids).items() if key[2] == "alignment"}
    expected: Counter[tuple[str, str, str, str]] = Counter()
    for relation in ("marts.pin_score", "marts.max_pain_pooled"):
        for row in rows_of(demo, relation, ids).filter(alignment="unknown").iter_rows(named=True):
            if row["max_pain_strike"] is None:
                reason = "no_open_interest"
            elif row["gamma_flip"] is None:
                reason = row["gamma_flip_status"]
            else:
                assert row["call_wall"] is None or row["put_wall"] is None
                reason = "no_wall"
            expected[row["snapshot_id"].split("-")[0], relation, "alignment", reason] += 1
    assert counts == dict(expected) and counts


def test_nothing_is_missing_without_a_reason(demo: Demo, ids: list[str]) -> None:
    reasons = report(demo.home, "null_reasons", ids)
    assert "without_reason" not in set(reasons["reason"])
    assert (reasons["missing_values"] > 0).all() and reasons["reason"].null_count() == 0


def test_gamma_is_compared_with_the_venues_or_with_their_own_mark_iv(demo: Demo, ids: list[str]) -> None:
    """Black-76 from the model's functions, medians in polars; the report is SQL throughout."""
    key = ["snapshot_id", "venue", "instrument"]
    contracts = query(demo.home, "from core.option_quotes").join(query(demo.home, "from core.option_greeks"), on=key)
    spots = query(demo.home, "select snapshot_id, venue, market, spot from core.snapshot_venues")
    contracts = contracts.join(spots, on=["snapshot_id", "venue"]).filter(
        pl.col("tau") > 1 / 365, (pl.col("option_type") == "C") == (pl.col("strike") >= pl.col("forward"))
    )
    us = contracts.filter(pl.col("market") == "us", pl.col("venue_gamma") >= pl.max_horizontal(0.001, 7.5 / pl.col("strike")))
    coins = contracts.filter(
        pl.col("market") == "crypto", (pl.col("strike") / pl.col("forward")).log().abs() <= pl.col("iv") * pl.col("tau").sqrt()
    )
    f, k, tau, vol, spot = (coins[name].to_numpy() for name in ("venue_forward", "strike", "tau", "venue_iv", "spot"))
    of_mark_iv = black76.greeks(f, k, tau, vol, np.ones(coins.height, dtype=bool), np.ones(coins.height), spot).gamma
    compared = pl.concat(
        [us.select("underlying", "gamma", theirs="venue_gamma"), coins.select("underlying", "gamma", theirs=pl.Series(of_mark_iv))]
    )
    difference = 100 * (pl.col("gamma") / pl.col("theirs") - 1).abs()
    expected = compared.group_by("underlying").agg(contracts=pl.len(), median=difference.median()).sort("underlying")
    reported = report(demo.home, "gamma_differences", ids)
    assert reported["underlying"].to_list() == expected["underlying"].to_list() == ["BTC", "ETH", "SPX", "SPY"]
    assert reported["contracts"].to_list() == expected["contracts"].to_list()
    assert reported["median_difference_pct"].to_list() == pytest.approx(expected["median"].to_list(), abs=1e-4)
    assert reported["compared_with"].to_list() == ["mark_iv", "mark_iv", "gamma", "gamma"]


def test_a_run_prints_both_in_a_line_per_underlying(demo: Demo, ids: list[str]) -> None:
    for (_, out, _), of_run in zip(demo.runs, (ids[::2], ids[1::2]), strict=True):
        paragraphs = {part.splitlines()[0]: part.splitlines()[1:] for part in out.split("\n\n")}
        gamma = paragraphs["Gamma near the money, median difference from the venue's own:"]
        missing = paragraphs["Not measured, and why:"]
        assert gamma == gamma_lines(report(demo.home, "gamma_differences", of_run))
        assert missing == missing_lines(report(demo.home, "null_reasons", of_run))
        assert [line.split()[0] for line in gamma] == [line.split()[0] for line in missing] == ["BTC", "ETH", "SPX", "SPY"]


def test_lines_of_reasons_add_up_what_several_relations_say() -> None:
    columns = ["underlying", "venue", "relation", "quantity", "reason", "missing_values"]
    rows = [
        ("SPX", "cboe", "core.option_greeks", "iv", "no_price", 7),
        ("SPX", "all", "marts.expiry_summary", "density", "few_quotes", 12),
        ("SPX", "all", "marts.expiry_summary", "density", "outside_bid_ask", 1_300),
        ("SPX", "cboe", "core.expiry_smile", "density", "few_quotes", 99),
        ("BTC", "okx", "core.option_greeks", "iv", "no_price", 1),
        ("BTC", "deribit", "core.option_greeks", "iv", "no_price", 2),
    ]
    assert missing_lines(pl.DataFrame(rows, schema=columns, orient="row")) == [
        "SPX    iv 7 no_price; density 1,300 outside_bid_ask, 12 few_quotes",
        "BTC    iv 3 no_price",
    ]
    assert missing_lines(pl.DataFrame(rows, schema=columns, orient="row").clear()) == []


def test_lines_of_gamma_name_venues_and_what_is_compared() -> None:
    columns = ["underlying", "venue", "compared_with", "contracts", "median_difference_pct"]
    rows = [("BTC", "bybit", "gamma", 90, 0.4), ("BTC", "deribit", "mark_iv", 88, 0.0), ("SPX", "cboe", "gamma", 1_797, 2.698)]
    assert gamma_lines(pl.DataFrame(rows, schema=columns, orient="row")) == [
        "BTC    bybit 0.40 % of 90 contracts, deribit 0.00 % of 88 contracts against its mark IV",
        "SPX    cboe 2.70 % of 1,797 contracts",
    ]
