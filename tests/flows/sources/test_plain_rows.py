"""Plain rows read straight into columns: the same as decoding every row, or not taken as plain."""

from __future__ import annotations

import json
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flows.sources.parsing.columns import Columns
from flows.sources.parsing.plain_rows import PlainRows, plain_document
from tests.flows.sources.conftest import payload

FIELDS: dict[str, type[pl.DataType]] = {"name": pl.String, "bid": pl.Float64, "oi": pl.Float64, "at": pl.String}

TEXT = st.text(st.sampled_from('ab:",{}[]\\ é\x00\n5'), max_size=6) | st.just("rows")
NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70) | st.sampled_from([0, -0.0, 1e10, 0.1, 5e-324])
ODD = st.one_of(TEXT, NUMBER, st.none(), st.booleans(), st.sampled_from([[], ["x"], {"bid": 1}, {}]), st.just("1.5"))


def body(*rows: Any, blank: str = "") -> bytes:
    """A reply with these rows; a text stands for itself."""
    texts = [row if isinstance(row, str) else json.dumps(row, separators=("," + blank, ":" + blank), ensure_ascii=False) for row in rows]
    return f'{{"at":"2026-11-13 18:45:14","data":{{"spot":1.5,"rows":[{",".join(texts)}]}},"symbol":"SPX"}}'.encode()


def plain(content: bytes) -> PlainRows | None:
    document = plain_document(content, ("data", "rows"), FIELDS)
    if document is None:
        return None
    rows = document["data"]["rows"]
    assert isinstance(rows, PlainRows)
    assert {**document, "data": {**document["data"], "rows": list(rows)}} == orjson.loads(content)
    return rows


def read_back(rows: Any) -> list[Any]:
    """All that columns say of rows; floats as their bits."""
    columns = Columns(payload("cboe", "SPX", "chain", b""), rows, key="name", documented=frozenset(FIELDS))
    columns.read_ahead(["bid"])
    read = [columns.number("bid"), columns.number("oi", is_essential=True, is_signed=True, missing=0.5), columns.text("at")]
    columns.refuse_duplicates()
    table = columns.accepted(columns.table(read)).with_columns(pl.col(pl.Float64).reinterpret(signed=True))
    return [table.rows(), columns.rejected().rows(), columns.warnings, columns.unknown_fields, columns.gone_fields]


def assert_same(content: bytes) -> None:
    rows = plain(content)
    if rows is not None:
        assert read_back(rows) == read_back(orjson.loads(content)["data"]["rows"])


@given(st.lists(st.fixed_dictionaries({"name": st.text("ab:,{é", max_size=3), "bid": NUMBER, "oi": NUMBER | st.none(), "at": st.none()})))
def test_plain_rows_say_what_decoded_rows_say(rows: list[dict[str, Any]]) -> None:
    assert (plain(body(*rows)) is not None) == bool(rows)
    assert_same(body(*rows))


@given(
    st.lists(
        st.dictionaries(st.sampled_from([*FIELDS, "new", "b:d"]), ODD).flatmap(
            lambda odd: st.sampled_from([odd, {"name": "a", "bid": 1.5, "oi": 2, "at": "12:30", **odd}, {**odd, "name": "b"}])
        )
        | ODD,
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["", " "]),
)
def test_odd_rows_are_not_plain_or_say_the_same(rows: list[Any], blank: str) -> None:
    assert_same(body(*map(json.dumps, rows)))
    assert_same(body(*(row for row in rows if isinstance(row, dict)), blank=blank))


@given(st.data(), st.sampled_from([*'",:{}[]0-.e\\ \n\tn', '"bid":1,', "null", "true", "NaN", '"', "\xff"]))
def test_a_damaged_reply_is_not_plain_or_says_the_same(data: st.DataObject, put: str) -> None:
    content = body(*({"name": f"n{index}", "bid": 1.25, "oi": index, "at": "12:30" if index else None} for index in range(3)))
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.sampled_from([start, start + 1, start + 5]))
    damaged = content[:start] + put.encode("latin-1") + content[end:]
    assert_same(damaged)


@pytest.mark.parametrize(
    "row",
    [
        '{"name":"a","bid":1,"oi":2,"at":"x","bid":3}',
        '{"name":"a","bid":1,"oi":2,"at":"x","new":3}',
        '{"name":"a","bid":1,"oi":2,"new":null}',
        '{"name":"a","bid":1,"oi":2}',
        '{"name":"a","bid":"1","oi":2,"at":"x"}',
        '{"name":7,"bid":1,"oi":2,"at":"x"}',
        '{"name":true,"bid":1,"oi":2,"at":"x"}',
        '{"name":"a","bid":true,"oi":2,"at":"x"}',
        '{"name":"a","bid":1,"oi":2,"at": null}',
        '{"name":"\\u0061","bid":1,"oi":2,"at":"x"}',
        '{"name":"a","bid":1,"oi":2,"at":"x"}{"name":"b","bid":1,"oi":2,"at":"x"}',
        '{"name":"a","bid":1,"oi":2,"at":"x"}\n{"name":"b","bid":1,"oi":2,"at":"x"}',
        '{"name":"a","bid":1,"oi":2,"at":"x"},null',
        '{"name":"a","bid":1,"oi":2,"at":"x"},{}',
        '{"name":"a","bid":1,"oi":2,"at":["x"]}',
        '{"name":"a","bid":1,"oi":2,"at":{"x":1}}',
        '{"at":{"x":1},"name":"a","bid":1,"oi":2}',
        "5",
    ],
)
def test_rows_that_are_not_plain_are_left_to_others(row: str) -> None:
    assert plain(body('{"name":"z","bid":1,"oi":2,"at":"x"}')) is not None
    assert plain(body('{"name":"z","bid":1,"oi":2,"at":"x"}', row)) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"data":{"rows":[]}}',
        b'{"other":{"rows":[{"name":"z","bid":1,"oi":2,"at":"x"}]},"data":{"rows":[]}}',
        b'{"data":{"rows":[{"name":"z","bid":1,"oi":2,"at":"x"}],"rows":[5]}}',
        b'{"data":{"rows":[{"name":"z","bid":1,"oi":2,"at":"x"}]}',
        b'{"data":{"rows":[{"name":"z","bid":1,"oi":2,"at":"x"}],"more":[{"a":1}]}}',
        b'[{"rows":[{"name":"z","bid":1,"oi":2,"at":"x"}]}]',
        b'{"a":{"rows":[{"name":"z","bid":1,"oi":2,"at":"x"}]},"data":{"rows":"\\u0001rows\\u0001"}}',
    ],
)
def test_rows_in_another_form_are_left_to_the_json_decoder(content: bytes) -> None:
    assert plain(content) is None


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
@example([2.2250738585072011e-308, 9007199254740993.0, 0.1 + 0.2, 1.7976931348623157e308])
def test_numbers_are_read_to_the_last_bit(numbers: list[float]) -> None:
    for form in ("{!r}", "{:.30e}", "{:.17g}"):
        rows = plain(body(*(f'{{"name":"a","bid":{form.format(number)},"oi":0,"at":null}}' for number in numbers)))
        assert rows is not None
        assert [number.hex() for number in rows.frame["bid"]] == [
            (number + 0.0 if form == "{:.17g}" else number).hex() for number in numbers
        ]
