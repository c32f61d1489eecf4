"""Deribit: two inverse books and one linear book, on payloads by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest

from flows.sources.deribit import HEALING_CODES, Deribit
from models.chain import Book, ParsedChain, ParsedQuotes, RawPayload, RejectedRows
from models.errors import MalformedReply, UnknownSymbol, VenueBusy, VenueError, VenueRefused, VenueUnreachable
from models.market.calendar import TradingCalendar
from tests.flows.sources.conftest import RECEIVED_AT, payload
from warehouse.settings import DeribitSettings

DERIBIT = Deribit(DeribitSettings())
MADE_AT = 1_794_535_200_123  # 2026-11-13 02:00:00.123 UTC
EXPIRES_MS = 1_795_766_400_000  # 2026-11-27 08:00 UTC


def instrument(
    name: str, strike: float, option_type: str = "call", *, base: str = "BTC", size: float = 1.0, lot: float = 0.1, **fields: Any
) -> dict[str, Any]:
    """An instrument row; a field given as `...` is left out."""
    kind = "linear" if "_" in name else "reversed"
    row = {
        "instrument_name": name, "kind": "option", "state": "open", "is_active": True, "option_type": option_type, "strike": strike,
        "expiration_timestamp": EXPIRES_MS, "instrument_type": kind, "contract_size": size, "min_trade_amount": lot, "base_currency": base,
        "price_index": f"{base.lower()}_{'usdc' if kind == 'linear' else 'usd'}",
    }  # fmt: skip
    return {key: value for key, value in {**row, **fields}.items() if value is not ...}


def summary(name: str, **fields: Any) -> dict[str, Any]:
    """A book summary row; a field given as `...` is left out."""
    row = {
        "instrument_name": name, "base_currency": name.partition("-")[0].partition("_")[0], "bid_price": 0.0325, "ask_price": 0.0335,
        "mid_price": 0.033, "last": 0.033, "mark_price": 0.03284975, "mark_iv": 45.9, "open_interest": 1470.0, "volume": 63.4,
        "underlying_price": 81_420.5, "underlying_index": "BTC-27NOV26", "estimated_delivery_price": 81_250.12, "creation_timestamp": MADE_AT,
    }  # fmt: skip
    return {key: value for key, value in {**row, **fields}.items() if value is not ...}


def reply(book: str, name: str, result: Any, seconds: float = 0.0) -> RawPayload:
    envelope = {"jsonrpc": "2.0", "result": result, "usIn": 1, "usOut": 1_794_535_201_000_000, "usDiff": 1, "testnet": False}
    return payload("deribit", book, name, envelope, received_at=RECEIVED_AT + timedelta(seconds=seconds))


def book(name: str, instruments: Sequence[Any] = (), rows: Sequence[Any] = (), **indexes: float) -> list[RawPayload]:
    """The replies of one book; an index is given as `btc_usd=81250.12`."""
    prices = [reply(name, f"index-{index}", {"index_price": price}, 2) for index, price in indexes.items()]
    settled = [reply(name, f"delivery-{index}", {"data": [], "records_total": 0}, 3) for index in indexes]
    return [reply(name, "instruments", list(instruments)), reply(name, "book-summary", list(rows), 1), *prices, *settled]


NO_LINEAR = book("USDC")
CALL, PUT = "BTC-27NOV26-82000-C", "BTC-27NOV26-82000-P"


def btc(instruments: Sequence[Any], rows: Sequence[Any], calendar: TradingCalendar) -> ParsedChain:
    return parse([*book("BTC", instruments, rows, btc_usd=81_250.12), *NO_LINEAR], "BTC", calendar)


def parse(payloads: list[RawPayload], underlying: str, calendar: TradingCalendar) -> ParsedChain:
    """The chain of these replies, whose frames keep their contracts."""
    chain = DERIBIT.parse(payloads, underlying, calendar)
    ParsedQuotes.validate(chain.quotes)
    RejectedRows.validate(chain.rejected)
    return chain


def test_an_inverse_row_in_our_units(calendar: TradingCalendar) -> None:
    chain = btc([instrument(CALL, 82_000)], [summary(CALL)], calendar)
    row = chain.quotes.row(0, named=True)
    assert (row["instrument"], row["root"], row["book"], row["option_type"], row["strike"]) == (CALL, "BTC", "BTC", "C", 82_000)
    assert (row["bid"], row["ask"], row["mark"]) == (0.0325 * 81_420.5, 0.0335 * 81_420.5, 0.03284975 * 81_420.5), "at its own forward"
    assert (row["oi_base"], row["volume_base"], row["multiplier"]) == (1470.0, 63.4, 1.0)
    assert (row["venue_iv"], row["venue_forward"]) == (0.459, 81_420.5)
    assert [row[f"venue_{greek}"] for greek in ("delta", "gamma", "vega", "theta")] == [None] * 4
    assert (row["expires_at"], row["expiry"], row["exercise"], row["is_adjusted"]) == (
        datetime(2026, 11, 27, 8), date(2026, 11, 27), "european", False,
    )  # fmt: skip
    assert (chain.spot, chain.spot_source, chain.session_date, chain.spot_close) == (81_250.12, "index", None, None)
    assert chain.venue_instant == datetime(2026, 11, 13, 2, 0, 0, 123_000, tzinfo=UTC)
    assert chain.received_at == RECEIVED_AT + timedelta(seconds=2)
    assert (chain.warnings, chain.unknown_fields, chain.rejected.height) == ((), {}, 0)


def test_a_linear_row_in_our_units(calendar: TradingCalendar) -> None:
    name = "XRP_USDC-27NOV26-1d25-C"
    terms = instrument(name, 1.25, base="XRP", size=1000, lot=1000)
    quoted = summary(
        name, bid_price=0.051, ask_price=0.054, mark_price=0.0525, open_interest=25_000.0, volume=3000.0, underlying_price=1.31
    )
    chain = parse(book("USDC", [terms], [quoted], xrp_usdc=1.3), "XRP", calendar)
    row = chain.quotes.row(0, named=True)
    assert (row["bid"], row["ask"], row["mark"], row["strike"]) == (0.051, 0.054, 0.0525, 1.25), "USDC per coin, not per contract"
    assert (row["oi_base"], row["volume_base"], row["multiplier"]) == (25_000.0, 3000.0, 1000.0), "coins, whatever the contract size"
    assert (row["book"], row["root"], chain.spot) == ("USDC", "USDC", 1.3)


def test_every_linear_option_lives_in_the_usdc_book(calendar: TradingCalendar) -> None:
    assert DERIBIT.books("BTC") == [Book("deribit", "BTC"), Book("deribit", "USDC")]
    assert DERIBIT.books("ETH") == [Book("deribit", "ETH"), Book("deribit", "USDC")]
    assert DERIBIT.books("SOL") == DERIBIT.books("HYPE") == [Book("deribit", "USDC")]
    names = {"SOL": "SOL_USDC-27NOV26-200-C", "BTC": "BTC_USDC-27NOV26-82000-C"}
    terms = [instrument(name, 100, base=base) for base, name in names.items()]
    linear = book("USDC", terms, [summary(name) for name in names.values()], sol_usdc=190.0, btc_usdc=81_200.0)
    sol = parse(linear, "SOL", calendar)
    assert (sol.quotes["instrument"].to_list(), sol.spot) == ([names["SOL"]], 190.0)
    both = parse([*book("BTC", [instrument(CALL, 82_000)], [summary(CALL)], btc_usd=81_250.12), *linear], "BTC", calendar)
    assert both.quotes.select("instrument", "book", "row_number").rows() == [(CALL, "BTC", 0), (names["BTC"], "USDC", 1)]
    assert both.spot == 81_250.12, "the index in USD before the one in USDC"
    only_linear = parse([*book("BTC"), *linear], "BTC", calendar)
    assert (only_linear.quotes["book"].to_list(), only_linear.spot) == (["USDC"], 81_200.0)


def test_missing_quotes_are_null(calendar: TradingCalendar) -> None:
    unquoted = dict.fromkeys(("bid_price", "ask_price", "mid_price", "last", "high", "low", "price_change"))
    row = btc([instrument(CALL, 82_000)], [summary(CALL, **unquoted, open_interest=0.0)], calendar).quotes.row(0, named=True)
    assert (row["bid"], row["ask"], row["oi_base"]) == (None, None, 0.0)
    zeros = summary(CALL, bid_price=0.0, ask_price=0.0, mark_iv=0.0, open_interest=None)
    row = btc([instrument(CALL, 82_000)], [zeros], calendar).quotes.row(0, named=True)
    assert (row["bid"], row["ask"], row["venue_iv"], row["oi_base"]) == (None, None, None, None), "a price of 0 is the ticker's missing"


def test_a_premium_in_coin_needs_its_forward(calendar: TradingCalendar) -> None:
    chain = btc([instrument(CALL, 82_000)], [summary(CALL, underlying_price=None)], calendar)
    assert chain.quotes.select("bid", "ask", "mark", "venue_forward").row(0) == (None,) * 4
    assert "no underlying_price" in chain.warnings[0]


def test_open_interest_is_rounded_to_the_lot(calendar: TradingCalendar) -> None:
    chain = btc([instrument(CALL, 82_000)], [summary(CALL, open_interest=2921.5000000001, volume=0.30000000000000004)], calendar)
    assert chain.quotes.select("oi_base", "volume_base").row(0) == (2921.5, 0.3)


@pytest.mark.parametrize(
    ("name", "base", "option_type", "strike", "expires_at"),
    [
        ("BTC-4SEP26-100000-P", "BTC", "P", 100_000.0, datetime(2026, 9, 4, 8)),
        ("XRP_USDC-27NOV26-1d25-C", "XRP", "C", 1.25, datetime(2026, 11, 27, 8)),
        ("TRX_USDC-27NOV26-0D275-P", "TRX", "P", 0.275, datetime(2026, 11, 27, 8)),
        ("1INCH_USDC-1JAN27-2-C", "1INCH", "C", 2.0, datetime(2027, 1, 1, 8)),
    ],
)
def test_a_row_without_an_instrument_is_read_from_its_name(
    calendar: TradingCalendar, name: str, base: str, option_type: str, strike: float, expires_at: datetime
) -> None:
    index = f"{base.lower()}_{'usdc' if '_' in name else 'usd'}"
    home = "USDC" if "_" in name else "BTC"
    replies = book(home, [], [summary(name, base_currency=...)], **{index: 5.0})
    chain = parse([*replies, *([] if home == "USDC" else NO_LINEAR)], base, calendar)
    assert chain.quotes.select("option_type", "strike", "expires_at").row(0) == (option_type, strike, expires_at)
    assert (chain.quotes["bid"].to_list(), chain.spot) == ([0.0325 * (1 if "_" in name else 81_420.5)], 5.0)
    assert "no contract_size; 1 is assumed" in chain.warnings[0]


def test_fields_are_preferred_to_names(calendar: TradingCalendar) -> None:
    odd = instrument("BTC-SPECIAL", 82_500, "put", expiration_timestamp=EXPIRES_MS + 3_600_000)
    chain = btc([odd], [summary("BTC-SPECIAL")], calendar)
    assert chain.quotes.select("option_type", "strike", "expires_at").row(0) == ("P", 82_500.0, datetime(2026, 11, 27, 9))


def test_broken_fields_give_way_to_the_name(calendar: TradingCalendar) -> None:
    odd = instrument(CALL, 0, option_type="both", expiration_timestamp="soon")
    chain = btc([{**odd, "strike": "NaN"}], [summary(CALL)], calendar)
    assert chain.quotes.select("option_type", "strike", "expires_at").row(0) == ("C", 82_000.0, datetime(2026, 11, 27, 8))
    assert chain.rejected.select("column", "value", "is_row_kept").rows() == [
        ("strike", "NaN", True),
        ("expiration_timestamp", "soon", True),
    ]


def test_contracts_that_are_listed_but_not_summarised(calendar: TradingCalendar) -> None:
    chain = btc([instrument(PUT, 82_000, "put", state="inactive"), instrument(CALL, 82_000)], [summary(CALL)], calendar)
    assert chain.quotes.select("instrument", "oi_base", "bid", "venue_forward", "row_number").rows() == [
        (CALL, 1470.0, 0.0325 * 81_420.5, 81_420.5, 0),
        (PUT, None, None, None, 0),  # row 0 of the other reply; whatever its state: live is told by the instant
    ]
    assert chain.quotes["payload_sha256"].n_unique() == 2


def test_rows_that_neither_fields_nor_name_tell_are_refused(calendar: TradingCalendar) -> None:
    chain = btc([{**instrument("BTC-X", 1), "strike": None}], [summary("BTC-CS-27NOV26-82000_84000"), summary(CALL)], calendar)
    assert chain.quotes["instrument"].to_list() == [CALL]
    assert chain.rejected.select("instrument", "reason", "is_row_kept").rows() == [
        ("BTC-X", "bad_name", False),
        ("BTC-CS-27NOV26-82000_84000", "bad_name", False),
    ]


def test_open_interest_that_is_no_number_refuses_the_row(calendar: TradingCalendar) -> None:
    chain = btc([instrument(CALL, 82_000), instrument(PUT, 82_000, "put")], [summary(CALL, open_interest="NaN"), summary(PUT)], calendar)
    assert chain.quotes["instrument"].to_list() == [PUT], "and it does not come back as a listed contract without open interest"
    assert chain.rejected.select("instrument", "reason", "column", "is_row_kept").rows() == [(CALL, "not_a_number", "open_interest", False)]


def test_a_broken_quote_becomes_null_and_is_recorded(calendar: TradingCalendar) -> None:
    broken = {"bid_price": "NaN", "ask_price": -1, "mark_iv": "x", "mark_price": [], "volume": {}, "creation_timestamp": 5}
    chain = btc([instrument(CALL, 82_000)], [summary(CALL, **broken), summary(PUT, volume="0.5")], calendar)
    assert chain.quotes.select("bid", "ask", "venue_iv", "mark", "volume_base").row(0) == (None,) * 5
    assert set(chain.rejected["column"]) == set(broken)
    assert chain.rejected["is_row_kept"].all()
    assert chain.quotes["volume_base"].to_list() == [None, 0.5]
    assert chain.warnings == ("1 numbers of volume were sent as text, in `book-summary` of book BTC",)


def test_rows_that_come_twice(calendar: TradingCalendar) -> None:
    terms, row = instrument(CALL, 82_000), summary(CALL)
    chain = btc([terms, terms, {**terms, "strike": 1}], [row, {**row, "open_interest": 1.0}, row], calendar)
    assert chain.quotes.select("strike", "oi_base").rows() == [(82_000.0, 1470.0)]
    assert chain.rejected.select("row_number", "reason").rows() == [
        (1, "duplicate"), (2, "conflicting_duplicate"), (1, "conflicting_duplicate"), (2, "duplicate"),
    ]  # fmt: skip


def test_a_row_that_names_nobody_is_refused_by_everybody(calendar: TradingCalendar) -> None:
    names = ("SOL_USDC-27NOV26-200-C", "XRP_USDC-27NOV26-2-C")
    rows = [None, summary(names[0]), {"open_interest": 5}, summary(names[1])]
    linear = book("USDC", [], rows, sol_usdc=1.0, xrp_usdc=1.0)
    for underlying, row_number in (("SOL", 1), ("XRP", 3)):
        chain = parse(linear, underlying, calendar)
        assert chain.quotes["row_number"].to_list() == [row_number]
        assert chain.rejected.select("row_number", "reason").rows() == [(0, "not_an_object"), (2, "bad_name")]


def test_new_fields_are_counted_and_gone_ones_are_said(calendar: TradingCalendar) -> None:
    chain = btc([instrument(CALL, 82_000, colour="red")], [summary(CALL, mark_iv=..., smell=1)], calendar)
    assert chain.unknown_fields == {"colour": 1, "smell": 1}
    assert chain.warnings == ("field mark_iv is gone from every row, in `book-summary` of book BTC",)


def test_the_instant_is_that_of_the_newest_row(calendar: TradingCalendar) -> None:
    later = summary(PUT, creation_timestamp=MADE_AT + 11)
    assert btc([], [later, summary(CALL)], calendar).venue_instant == datetime(2026, 11, 13, 2, 0, 0, 134_000, tzinfo=UTC)
    timeless = btc([instrument(CALL, 82_000)], [summary(CALL, creation_timestamp=...)], calendar)
    assert timeless.venue_instant == datetime(2026, 11, 13, 2, 0, 1, tzinfo=UTC), "the venue's own clock in the envelope"
    assert "no row says when it was made" in timeless.warnings[-1]


def test_an_inverse_book_may_be_empty_and_an_underlying_unknown(calendar: TradingCalendar) -> None:
    chain = parse([*book("ETH"), *NO_LINEAR], "ETH", calendar)
    assert (chain.quotes.height, chain.spot) == (0, None)
    with pytest.raises(UnknownSymbol, match="deribit: lists no options on DOGE"):
        parse(NO_LINEAR, "DOGE", calendar)


def test_a_book_that_was_not_fetched_is_an_error(calendar: TradingCalendar) -> None:
    inverse = book("BTC", [instrument(CALL, 82_000)], [summary(CALL)], btc_usd=81_250.12)
    with pytest.raises(MalformedReply, match="`instruments` of book USDC"):
        DERIBIT.parse(inverse, "BTC", calendar)
    with pytest.raises(MalformedReply, match="`index-btc_usd` of book BTC"):
        DERIBIT.parse([*inverse[:2], *NO_LINEAR], "BTC", calendar)


def refusal(code: int, message: str, **data: Any) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "error": {"code": code, "message": message, "data": data}, "usIn": 1, "usOut": 2})


BROKEN_REPLIES: list[tuple[int, bytes, type[VenueError], str]] = [
    *((status, refusal(code, "later"), VenueBusy, f"code {code}, later") for code in HEALING_CODES for status in (429, 400, 200)),
    (400, refusal(-32602, "Invalid params", param="currency"), VenueRefused, "code -32602, Invalid params, parameter currency"),
    (400, refusal(-32601, "Method not found"), VenueRefused, "Method not found"),
    (200, refusal(-32602, "Invalid params"), VenueRefused, "Invalid params"),
    (500, refusal(99, "who knows"), VenueBusy, "who knows"),
    (400, b'{"error": {"code": [], "data": 5}}', VenueRefused, "HTTP 400"),
    (503, b"<html>", VenueBusy, "HTTP 503"),
    (502, b'{"jso', VenueBusy, "HTTP 502"),
    (403, b"<html>", VenueRefused, "HTTP 403"),
    (200, b"<html>", VenueUnreachable, "a web page"),
    (200, b'{"result": [', VenueUnreachable, "only a part"),
    (200, b'{"result": [{"open_interest": NaN}]}', MalformedReply, "no JSON"),
    (200, b"[]", MalformedReply, "result is missing"),
    (200, b'{"result": {}}', MalformedReply, "result is missing"),
    (200, b'{"result": [{"name": "x"}]}', MalformedReply, "no row has the field instrument_name"),
]


@pytest.mark.parametrize(("status", "body", "error", "message"), BROKEN_REPLIES)
def test_each_bad_reply_raises_its_error(
    calendar: TradingCalendar, status: int, body: bytes, error: type[VenueError], message: str
) -> None:
    broken = payload("deribit", "BTC", "book-summary", body, status)
    with pytest.raises(error, match=message):
        DERIBIT.parse([*book("BTC")[:1], broken, *NO_LINEAR], "BTC", calendar)


@pytest.mark.parametrize("result", [{"index_price": 0}, {"index_price": "x"}, {"index_price": None}, {}])
def test_an_index_without_a_price_is_malformed(result: Mapping[str, Any]) -> None:
    assert isinstance(DERIBIT.judge(reply("BTC", "index-btc_usd", result)), MalformedReply)
