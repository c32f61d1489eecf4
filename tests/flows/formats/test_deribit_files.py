"""Saved Deribit book summaries by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import polars as pl
import pytest

from models.chain import ParsedChain
from models.errors import FileError
from models.market.calendar import TradingCalendar
from tests.flows.formats.pieces import chains

AT = datetime(2026, 11, 13, 2, tzinfo=UTC)


def row(name: str = "BTC-27NOV26-82000-C", **fields: Any) -> dict[str, Any]:
    return {
        "instrument_name": name, "bid_price": 0.03, "ask_price": 0.04, "mark_price": 0.035, "mark_iv": 45.9, "open_interest": 1470.0,
        "volume": 63.4, "underlying_price": 80000.0, "estimated_delivery_price": 81250.12, "creation_timestamp": 1794535200000,
    } | fields  # fmt: skip


def read(document: Any, calendar: TradingCalendar) -> list[ParsedChain]:
    return chains(orjson.dumps(document), "deribit-json", calendar)


def as_csv(rows: list[dict[str, Any]]) -> str:
    return pl.DataFrame(rows).write_csv()


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"jsonrpc": "2.0", "result": rows, "usOut": 1794535299000000}])
def test_a_reply_may_be_saved_with_or_without_its_envelope(wrap: Any, calendar: TradingCalendar) -> None:
    (chain,) = read(wrap([row(), row("BTC-27NOV26-82000-P", creation_timestamp=1794535201000)]), calendar)
    assert (chain.underlying, chain.spot, chain.spot_source) == ("BTC", 81250.12, "index")
    assert chain.venue_instant == AT.replace(second=1), "the newest row's, not when the reply was sent"
    assert chain.quotes.select("instrument", "bid", "venue_iv", "oi_base", "multiplier", "expires_at", "row_number").rows() == [
        ("BTC-27NOV26-82000-C", 2400.0, 0.459, 1470.0, 1.0, datetime(2026, 11, 27, 8), 0),
        ("BTC-27NOV26-82000-P", 2400.0, 0.459, 1470.0, 1.0, datetime(2026, 11, 27, 8), 1),
    ]


def test_the_usdc_book_is_split_by_underlying(calendar: TradingCalendar) -> None:
    linear = {"underlying_price": 2.0, "bid_price": 0.03}
    rows = [
        row("XRP_USDC-27NOV26-1d25-C", **linear, estimated_delivery_price=1.9),
        row("SOL_USDC-27NOV26-150-P", **linear, estimated_delivery_price=140.0),
    ]
    xrp, sol = read(rows, calendar)
    assert [(chain.underlying, chain.spot) for chain in (xrp, sol)] == [("XRP", 1.9), ("SOL", 140.0)]
    assert xrp.quotes.select("strike", "bid", "multiplier", "book", "row_number").rows() == [(1.25, 0.03, 1000.0, "USDC", 0)]
    assert sol.quotes.select("strike", "bid", "multiplier", "book", "row_number").rows() == [(150.0, 0.03, 10.0, "USDC", 1)]


def test_the_two_books_of_one_underlying_are_one_chain(calendar: TradingCalendar) -> None:
    rows = [row(), row("ETH-27NOV26-2800-P"), row("BTC_USDC-27NOV26-82000-C", bid_price=2400.0)]
    btc, eth = read(rows, calendar)
    assert btc.quotes.select("instrument", "book", "bid", "row_number").rows() == [
        ("BTC-27NOV26-82000-C", "BTC", 2400.0, 0),
        ("BTC_USDC-27NOV26-82000-C", "USDC", 2400.0, 2),
    ]
    assert eth.quotes["row_number"].to_list() == [1]
    assert btc.quotes["payload_sha256"].unique().to_list() == eth.quotes["payload_sha256"].unique().to_list()


def test_a_row_that_names_nobody_is_refused_with_its_row_number(calendar: TradingCalendar) -> None:
    chain, *others = read([row(), row("BTC-nonsense"), 7, row("BTC-27NOV26-83000-C", open_interest=-1)], calendar)
    assert not others
    assert chain.rejected.select("row_number", "reason", "is_row_kept").rows() == [
        (1, "bad_name", False),
        (2, "not_an_object", False),
        (3, "negative", False),
    ]
    assert chain.rejected["payload_sha256"].unique().to_list() == chain.quotes["payload_sha256"].unique().to_list()


def test_a_data_frame_has_text_for_numbers_and_an_index_of_its_own(calendar: TradingCalendar) -> None:
    rows = [row(), row("BTC-27NOV26-82000-P", bid_price=None, mark_iv=None)]
    (chain,) = chains(
        "".join(f",{line}\n" if not n else f"{n - 1},{line}\n" for n, line in enumerate(as_csv(rows).splitlines())), "deribit-csv", calendar
    )
    assert chain.quotes.select("bid", "venue_iv", "row_number").rows() == [(2400.0, 0.459, 1), (None, None, 2)]
    assert chain.warnings == ()
    assert chain.rejected.is_empty()


def test_a_broken_number_in_a_data_frame_is_refused(calendar: TradingCalendar) -> None:
    text = as_csv([row(), row("BTC-27NOV26-82000-P")]).replace("45.9", "n/a", 1)
    (chain,) = chains(text, "deribit-csv", calendar)
    assert chain.rejected.select("row_number", "reason", "column", "value").rows() == [(1, "not_a_number", "mark_iv", "n/a")]


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"error": {"code": -32602, "message": "Invalid params"}}, "an error reply: Invalid params"),
        ({"result": {}}, "no list of contracts"),
        ([], "no row names a contract"),
        ([row("BTC-PERPETUAL")], "no row names a contract"),
        ([row(creation_timestamp=None)], "no row of book BTC says when it was made"),
    ],
)
def test_another_document_is_refused_with_the_reason(document: Any, says: str, calendar: TradingCalendar) -> None:
    with pytest.raises(FileError, match=says):
        read(document, calendar)


@pytest.mark.parametrize(
    ("body", "format", "says"), [("{", "deribit-json", "no JSON"), ("a,b\n1,2\n", "deribit-csv", "no column instrument_name")]
)
def test_another_format_is_refused(body: str, format: str, says: str, calendar: TradingCalendar) -> None:
    with pytest.raises(FileError, match=says):
        chains(body, format, calendar)


def test_a_summary_without_delivery_prices_has_no_spot(calendar: TradingCalendar) -> None:
    (chain,) = read([row(estimated_delivery_price=None)], calendar)
    assert (chain.spot, chain.spot_source) == (None, None)
