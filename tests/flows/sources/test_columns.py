"""From rows to columns: nothing is dropped in silence."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.sources.parsing.columns import Columns, field_names, number_in, numbers_in_texts, price_in
from models.chain import RejectedRows
from tests.flows.sources.conftest import payload


def columns(*rows: Any, row_numbers: list[int] | None = None) -> Columns:
    return Columns(
        payload("cboe", "SPX", "chain", b""), rows, key="name", documented=field_names("name bid oi at"), row_numbers=row_numbers
    )


def refused(part: Columns) -> list[tuple[Any, ...]]:
    return part.rejected().select("row_number", "reason", "column", "value", "is_row_kept").rows()


def rows_with(field: str, *values: Any) -> Columns:
    return columns(*({"name": f"n{index}", field: value} for index, value in enumerate(values)))


def test_numbers_and_texts_of_numbers_are_read() -> None:
    part = rows_with("bid", 1, 2.5, None, "12.5", " 0E-8 ", "-0", "1e3")
    assert part.number("bid").to_list() == [1.0, 2.5, None, 12.5, 0.0, 0.0, 1000.0]
    assert refused(part) == []
    assert part.warnings == ("4 numbers of bid were sent as text, in `chain` of book SPX",)


def test_a_value_that_is_no_number_becomes_null_and_is_recorded() -> None:
    part = rows_with("bid", "NaN", "", "abc", True, [1], {"a": 1}, "1_000", "0x10", "inf", "1e999", -1, "١٢", 3)
    assert part.number("bid").to_list() == [None] * 12 + [3.0]
    reasons = ["not_a_number"] * 9 + ["infinite", "negative", "not_a_number"]
    assert [row[1] for row in refused(part)] == reasons
    assert {row[4] for row in refused(part)} == {True}
    assert [row[3] for row in refused(part)][3:6] == ["true", "[1]", '{"a":1}'], "the value is shown as the venue sent it"
    assert part.accepted(part.table([])).height == 13


def test_an_essential_value_that_is_no_number_refuses_its_row() -> None:
    part = rows_with("oi", 10, "NaN", -1, "1e999", None, 0)
    assert part.number("oi", is_essential=True).to_list() == [10, None, None, None, None, 0]
    assert refused(part) == [
        (1, "not_a_number", "oi", "NaN", False),
        (2, "negative", "oi", "-1", False),
        (3, "infinite", "oi", "1e999", False),
    ]
    assert part.accepted(part.table([]))["instrument"].to_list() == ["n0", "n4", "n5"], (
        "open interest that is missing or 0 is none of these"
    )


def test_signed_numbers_may_be_negative() -> None:
    part = rows_with("bid", -0.5)
    assert part.number("bid", is_signed=True).to_list() == [-0.5]
    assert refused(part) == []


def test_a_refused_row_is_reported_once() -> None:
    part = columns({"name": "a", "oi": "x", "bid": "y"})
    part.number("bid")
    part.number("oi", is_essential=True)
    assert refused(part) == [(0, "not_a_number", "oi", "x", False)]


def test_what_is_no_row_or_has_no_name_is_refused() -> None:
    part = columns({"name": "a"}, None, 5, {"bid": 1}, {"name": 7}, {"name": " "})
    assert refused(part) == [
        (1, "not_an_object", None, None, False),
        (2, "not_an_object", None, "5", False),
        (3, "bad_name", "name", None, False),
        (4, "bad_name", "name", "7", False),
        (5, "bad_name", "name", " ", False),
    ]


def test_rows_that_come_twice() -> None:
    part = columns({"name": "a", "oi": 1}, {"name": "b", "oi": 2}, {"name": "a", "oi": 1}, {"name": "b", "oi": 3}, {"name": "b", "oi": 2})
    part.refuse_duplicates()
    assert refused(part) == [
        (2, "duplicate", "name", "a", False),
        (3, "conflicting_duplicate", "name", "b", False),
        (4, "duplicate", "name", "b", False),
    ]


def test_of_rows_that_come_twice_the_first_readable_one_stays() -> None:
    part = columns({"name": "a", "oi": "NaN"}, {"name": "a", "oi": 4})
    part.number("oi", is_essential=True)
    part.refuse_duplicates()
    assert part.accepted(part.table([]))["row_number"].to_list() == [1]


def test_fields_that_are_gone_and_fields_that_are_new() -> None:
    part = columns({"name": "a", "bid": 1, "new": 1}, {"name": "b", "newer": 1, "new": None})
    part.number("bid")
    part.number("oi")
    assert part.gone_fields == ["oi"]
    assert part.warnings == ("field oi is gone from every row, in `chain` of book SPX",)
    assert part.unknown_fields == {"new": 2, "newer": 1}


def test_no_rows_miss_nothing() -> None:
    part = columns()
    assert part.number("bid").to_list() == []
    assert (part.warnings, part.rejected().height) == ((), 0)


def test_instants_outside_this_century_are_refused() -> None:
    part = rows_with("at", 1_795_766_400_000, "1795766400000", None, 0, 9e15, "soon")
    instants = part.instant_ms("at")
    assert instants.dt.to_string("%Y-%m-%dT%H:%M").to_list() == ["2026-11-27T08:00"] * 2 + [None] * 4
    assert part.rejected().select("row_number", "reason").rows() == [(3, "no_instant"), (4, "no_instant"), (5, "not_a_number")]


def test_numbers_that_no_market_has_are_refused() -> None:
    part = rows_with("oi", 9_999_999_999, 1e10, "1e300", 5)
    assert part.number("oi", is_essential=True).to_list() == [9_999_999_999.0, None, None, 5.0]
    assert refused(part) == [(1, "too_large", "oi", "10000000000.0", False), (2, "too_large", "oi", "1e300", False)]
    part = rows_with("delta", -1e10, 0.5)
    assert part.number("delta", is_signed=True).to_list() == [None, 0.5]
    assert refused(part) == [(0, "too_large", "delta", "-10000000000.0", True)]


def test_a_step_that_would_round_an_amount_away_is_not_believed() -> None:
    part = columns({"name": "a"})
    assert part.lots(pl.Series("oi", [25.0, 0.0, 1e9]), pl.Series([1e9] * 3)).to_list() == [25.0, 0.0, 1e9]


def test_lots_are_whole_and_free_of_float_noise() -> None:
    part = columns({"name": "a"})
    amounts = pl.Series("oi", [1470.0, 0.30000000000000004, 2921.5, 7.77, None, 25_000.0])
    steps = pl.Series([0.1, 0.1, 0.1, None, 0.1, 1000.0])
    assert part.lots(amounts, steps).to_list() == [1470.0, 0.3, 2921.5, 7.77, None, 25_000.0]
    assert part.lots(pl.Series("oi", [0.07]), pl.Series([0.1])).to_list() == [0.1]
    assert part.warnings == ("1 values of oi are no whole number of lots and were rounded, in `chain` of book SPX",)


def test_row_numbers_are_those_of_the_reply() -> None:
    part = columns({"name": "a", "bid": "x"}, {"name": "b"}, row_numbers=[5, 9])
    part.number("bid")
    assert part.rejected()["row_number"].to_list() == [5]
    assert part.table([])["row_number"].to_list() == [5, 9]


@pytest.mark.parametrize(("value", "price"), [(1.5, 1.5), ("1.5", 1.5), (0, None), (None, None), (-1, None), ("NaN", None), (True, None)])
def test_single_prices(value: Any, price: float | None) -> None:
    notes: list[str] = []
    assert price_in({"close": value}, "close", notes) == price
    assert bool(notes) == (value in (-1, "NaN") or value is True)


json_values = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.text(max_size=5))


@given(st.lists(st.one_of(json_values, st.fixed_dictionaries({}, optional={"name": json_values, "oi": json_values, "bid": json_values}))))
def test_rows_in_the_reply_are_accepted_rows_and_refused_rows(rows: list[Any]) -> None:
    part = columns(*rows)
    oi, bid = part.number("oi", is_essential=True), part.number("bid")
    part.refuse_duplicates()
    accepted, rejected = part.accepted(part.table([oi, bid])), part.rejected()
    RejectedRows.validate(rejected)
    assert accepted.height + rejected.filter(~pl.col("is_row_kept"))["row_number"].n_unique() == len(rows)
    assert rejected.filter(~pl.col("is_row_kept")).height == len(rows) - accepted.height
    assert accepted["oi"].is_finite().all(ignore_nulls=True)
    for index, number in accepted.select("row", "bid").rows():
        sent = number_in(rows[index].get("bid"))
        is_recorded = rejected.filter(pl.col("row_number") == index).height > 0
        assert is_recorded if number != sent else not is_recorded


def test_venues_that_write_numbers_as_text() -> None:
    rows = [{"name": f"n{index}", "bid": value} for index, value in enumerate(["12.5", "", "0", 3, None, "NaN"])]
    part = Columns(payload("okx", "BTC-USD", "tickers", b""), rows, key="name", documented=field_names("name bid"), numbers_are_text=True)
    assert part.number("bid", missing=0.0).to_list() == [12.5, None, None, 3.0, None, None]
    assert refused(part) == [(5, "not_a_number", "bid", "NaN", True)], "an empty text is no number and no mistake"
    assert part.warnings == (), "nothing to say about numbers that come as text"


def test_a_number_that_means_none_is_no_mistake() -> None:
    part = rows_with("bid", -1, -1.0, -2, 0.5, 0)
    assert part.number("bid", missing=-1.0).to_list() == [None, None, None, 0.5, 0.0]
    assert refused(part) == [(2, "negative", "bid", "-2", True)]


@given(st.lists(st.none() | st.floats().map(str) | st.decimals().map(str) | st.text("0123456789.eE+-_ xX", max_size=24) | st.text()))
def test_texts_that_are_read_as_a_column_hold_the_numbers_that_each_alone_holds(texts: list[str | None]) -> None:
    numbers = numbers_in_texts(pl.Series(texts, dtype=pl.String))
    alone = [None if text == "" else number_in(text) for text in texts]
    assert numbers is None or list(map(repr, numbers)) == list(map(repr, alone))


def test_texts_as_venues_send_them_are_read_as_a_column() -> None:
    numbers = numbers_in_texts(pl.Series(["71048.7", "0E-8", "-0.00000001", "", None, "0"]))
    assert numbers is not None and numbers.to_list() == [71048.7, 0.0, -1e-8, None, None, 0.0]
    for odd in (" 1", "1_000", "nan", "inf", "1e999", "abc", " "):  # they are looked at one by one
        assert numbers_in_texts(pl.Series(["1", odd])) is None
