"""Bybit: one coin, two books, a list in pages, on payloads by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest

from flows.sources.bybit import Bybit
from models.chain import Book, ParsedChain, ParsedQuotes, RawPayload, RejectedRows
from models.errors import MalformedReply, UnknownSymbol, VenueBusy, VenueError, VenueRefused, VenueUnreachable
from models.market.calendar import TradingCalendar
from tests.flows.sources.conftest import RECEIVED_AT, payload
from warehouse.settings import BybitSettings, Settings, Sources

BYBIT = Bybit(BybitSettings())
MADE_AT = 1_794_535_200_500  # 2026-11-13 02:00:00.5 UTC
EXPIRES_MS = "1795766400000"  # 2026-11-27 08:00 UTC
PUT, CALL = "BTC-27NOV26-82000-P-USDT", "BTC-27NOV26-82000-C"
SIDES = (
    "open interest counts 1 side of a trade, and underlyingPrice is the forward: the venue does not say "
    "(sources.bybit.option_oi_sides, .underlying_price)"
)


def instrument(symbol: str, **fields: Any) -> dict[str, Any]:
    """An instrument row; a field given as `...` is left out."""
    settle = "USDT" if symbol.endswith("-USDT") else "USDC"
    row = {
        "symbol": symbol, "displayName": "", "status": "Trading", "baseCoin": symbol.partition("-")[0],
        "quoteCoin": "USDT" if settle == "USDT" else "USD", "settleCoin": settle, "optionsType": "Put" if "-P" in symbol else "Call",
        "launchTime": "1772000000000", "deliveryTime": EXPIRES_MS, "deliveryFeeRate": "0.00015",
        "priceFilter": {"minPrice": "5", "maxPrice": "1110000", "tickSize": "5"},
        "lotSizeFilter": {"maxOrderQty": "500", "minOrderQty": "0.01", "qtyStep": "0.01"},
    }  # fmt: skip
    return {key: value for key, value in {**row, **fields}.items() if value is not ...}


def ticker(symbol: str, **fields: Any) -> dict[str, Any]:
    """A ticker row; a field given as `...` is left out."""
    row = {
        "symbol": symbol, "bid1Price": "3215", "bid1Size": "1.2", "bid1Iv": "0.4531", "ask1Price": "3270", "ask1Size": "0.8",
        "ask1Iv": "5", "lastPrice": "3240", "highPrice24h": "3390", "lowPrice24h": "3105", "markPrice": "3243.13591983",
        "indexPrice": "81250.4", "markIv": "0.4571", "underlyingPrice": "81418.2", "openInterest": "105.35", "turnover24h": "182400.5",
        "volume24h": "56.2", "totalVolume": "940", "totalTurnover": "3011200", "delta": "-0.51343333", "gamma": "0.00005422",
        "vega": "64.14255596", "theta": "-102.8756573", "predictedDeliveryPrice": "0", "change24h": "-35",
    }  # fmt: skip
    return {key: value for key, value in {**row, **fields}.items() if value is not ...}


def reply(name: str, rows: Sequence[Any], cursor: str = "", coin: str = "BTC", **envelope: Any) -> RawPayload:
    result = {"category": "option", "nextPageCursor": cursor, "list": list(rows)}
    content = {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": MADE_AT, **envelope}
    return payload("bybit", coin, name, {key: value for key, value in content.items() if value is not ...})


def parse(payloads: list[RawPayload], calendar: TradingCalendar, coin: str = "BTC", **settings: Any) -> ParsedChain:
    """The chain of these replies, whose frames keep their contracts."""
    chain = Bybit(BybitSettings(**settings)).parse(payloads, coin, calendar)
    ParsedQuotes.validate(chain.quotes)
    RejectedRows.validate(chain.rejected)
    return chain


def btc(instruments: Sequence[Any], tickers: Sequence[Any], calendar: TradingCalendar, **settings: Any) -> ParsedChain:
    return parse([reply("instruments-1", instruments), reply("tickers", tickers)], calendar, **settings)


def test_an_underlying_price_that_is_the_index_gives_no_forward(calendar: TradingCalendar) -> None:
    """What it is, the venue does not say: it is a setting, and changes the numbers' hash."""
    chain = btc([instrument(PUT)], [ticker(PUT)], calendar, underlying_price="index")
    assert chain.quotes["venue_forward"].to_list() == [None]
    assert chain.warnings == (SIDES.replace("is the forward", "is the index"),)
    assert Settings(sources=Sources(bybit=BybitSettings(underlying_price="index"))).numbers_hash != Settings().numbers_hash


def test_rows_of_both_books_in_our_units(calendar: TradingCalendar) -> None:
    chain = btc([instrument(PUT), instrument(CALL)], [ticker(PUT), ticker(CALL)], calendar)
    row = chain.quotes.row(0, named=True)
    assert (row["instrument"], row["option_type"], row["strike"], row["multiplier"]) == (PUT, "P", 82_000, 1.0)
    assert (row["bid"], row["ask"], row["mark"]) == (3215, 3270, 3243.13591983), "USDT per coin"
    assert (row["oi_base"], row["volume_base"], row["venue_iv"], row["venue_forward"]) == (105.35, 56.2, 0.4571, 81_418.2)
    assert [row[f"venue_{greek}"] for greek in ("delta", "gamma", "vega", "theta")] == [-0.51343333, 0.00005422, 64.14255596, -102.8756573]
    assert (row["expires_at"], row["expiry"], row["exercise"], row["is_adjusted"]) == (
        datetime(2026, 11, 27, 8), date(2026, 11, 27), "european", False,
    )  # fmt: skip
    assert chain.quotes.select("instrument", "book", "root").rows() == [(PUT, "USDT", "USDT"), (CALL, "USDC", "USDC")]
    assert (chain.spot, chain.spot_source, chain.session_date) == (81_250.4, "index", None)
    assert chain.venue_instant == datetime(2026, 11, 13, 2, 0, 0, 500_000, tzinfo=UTC)
    assert (chain.warnings, chain.unknown_fields, chain.rejected.height) == ((SIDES,), {}, 0)


def test_one_coin_is_fetched_whole() -> None:
    assert BYBIT.books("BTC") == [Book("bybit", "BTC")]
    assert BYBIT.books("HYPE") == [Book("bybit", "HYPE")], "the venue knows best what it lists"


def test_zeros_are_missing_but_for_open_interest(calendar: TradingCalendar) -> None:
    zeros = (
        "bid1Price",
        "ask1Price",
        "markPrice",
        "markIv",
        "underlyingPrice",
        "gamma",
        "openInterest",
        "volume24h",
        "delta",
        "vega",
        "theta",
    )
    chain = btc([instrument(PUT)], [ticker(PUT, **dict.fromkeys(zeros, "0"))], calendar)
    row = chain.quotes.row(0, named=True)
    assert [row[name] for name in ("bid", "ask", "mark", "venue_iv", "venue_forward", "venue_gamma")] == [None] * 6
    assert [row[name] for name in ("oi_base", "volume_base", "venue_delta", "venue_vega", "venue_theta")] == [0.0] * 5
    assert btc([instrument(PUT)], [ticker(PUT, openInterest="")], calendar).quotes["oi_base"].to_list() == [None]


def test_open_interest_of_both_sides_is_halved(calendar: TradingCalendar) -> None:
    chain = btc([instrument(PUT)], [ticker(PUT, openInterest="105.36")], calendar, option_oi_sides=2)
    assert chain.quotes["oi_base"].to_list() == [52.68]
    assert chain.warnings == (SIDES.replace("1 side", "2 sides"),)


def test_instruments_that_are_not_trading_yet_are_no_contracts(calendar: TradingCalendar) -> None:
    later = "BTC-27NOV26-90000-C"
    listed = [instrument(PUT), instrument(later, status="PreLaunch"), instrument(CALL)]
    chain = btc(listed, [ticker(PUT)], calendar)
    assert chain.quotes.select("instrument", "oi_base", "bid", "row_number").rows() == [(PUT, 105.35, 3215, 0), (CALL, None, None, 2)]
    assert chain.rejected.height == 0
    assert chain.warnings[0] == "1 instruments are listed for later and are no contracts yet, in `instruments-1` of book BTC"
    assert btc(listed, [ticker(later)], calendar).quotes["instrument"].to_list() == [later, PUT, CALL], "whatever is quoted trades"


def test_symbols_tell_what_fields_do_not(calendar: TradingCalendar) -> None:
    odd = {
        "MNT-6JAN27-0.56-P-USDT": ("P", 0.56, datetime(2027, 1, 6, 8), "USDT"),
        "MNT-30OCT26-1-C": ("C", 1.0, datetime(2026, 10, 30, 8), "USDC"),
    }
    chain = parse([reply("instruments-1", [], coin="MNT"), reply("tickers", list(map(ticker, odd)), coin="MNT")], calendar, "MNT")
    assert chain.quotes.select("option_type", "strike", "expires_at", "book").rows() == list(odd.values())
    listed = instrument(PUT, optionsType="Call", settleCoin="USDC", deliveryTime="1795770000000")
    row = btc([listed], [ticker(PUT)], calendar).quotes.row(0, named=True)
    assert (row["option_type"], row["book"], row["expires_at"]) == ("C", "USDC", datetime(2026, 11, 27, 9)), "fields come first"


def test_names_that_are_none_are_refused(calendar: TradingCalendar) -> None:
    names = ["BTC-27NOV26-82000-X", "BTC-31FEB26-82000-C", "BTC-27NOV26-0-C", "BTC-27NOV26-82d5-C", PUT]
    chain = btc([instrument("BTC-WHAT")], [None, {"openInterest": "5"}, *map(ticker, names)], calendar)
    assert chain.quotes["instrument"].to_list() == [PUT]
    assert chain.rejected.select("row_number", "reason").rows() == [
        (0, "bad_name"),
        (0, "not_an_object"),
        *((row, "bad_name") for row in range(1, 6)),
    ]


def test_rows_of_another_coin_are_not_taken(calendar: TradingCalendar) -> None:
    """A venue that overlooks `baseCoin` answers with BTC."""
    chain = parse([reply("instruments-1", [instrument(PUT)], coin="SOL"), reply("tickers", [ticker(PUT)], coin="SOL")], calendar, "SOL")
    assert (chain.quotes.height, chain.rejected.height, chain.spot) == (0, 0, None)


def test_pages_of_the_list_belong_together(calendar: TradingCalendar) -> None:
    pages = [reply("instruments-1", [instrument(PUT)], cursor="a%3Db"), reply("instruments-2", [instrument(CALL), instrument(PUT)])]
    chain = parse([*pages, reply("tickers", [ticker(PUT)])], calendar)
    assert chain.quotes["instrument"].to_list() == [PUT, CALL]
    assert chain.rejected.select("row_number", "reason", "instrument").rows() == [(1, "duplicate", PUT)]
    with pytest.raises(MalformedReply, match="no reply `instruments-2` of book BTC"):
        parse([pages[0], reply("tickers", [ticker(PUT)])], calendar)


def test_a_page_that_does_not_say_whether_it_is_the_last_is_noticed(calendar: TradingCalendar) -> None:
    page = payload("bybit", "BTC", "instruments-1", {"retCode": 0, "result": {"list": [instrument(PUT)]}, "time": MADE_AT})
    chain = parse([page, reply("tickers", [ticker(PUT), ticker(CALL)])], calendar)
    assert chain.quotes["instrument"].to_list() == [PUT, CALL]
    assert chain.warnings == (SIDES, "the list of instruments does not say whether another page follows")


def test_rows_that_come_twice(calendar: TradingCalendar) -> None:
    chain = btc([instrument(PUT), instrument(PUT)], [ticker(PUT), ticker(PUT, openInterest="1"), ticker(PUT)], calendar)
    assert chain.quotes["oi_base"].to_list() == [105.35]
    assert chain.rejected["reason"].to_list() == ["duplicate", "conflicting_duplicate", "duplicate"]


def test_broken_values_and_rows(calendar: TradingCalendar) -> None:
    broken = {"bid1Price": "NaN", "ask1Price": "-1", "markIv": [], "markPrice": "1e999", "indexPrice": "x"}
    chain = btc([instrument(PUT), instrument(CALL)], [ticker(PUT, **broken), ticker(CALL, openInterest="NaN")], calendar)
    assert chain.quotes.select("instrument", "bid", "ask", "venue_iv", "mark").rows() == [(PUT, None, None, None, None)]
    assert chain.rejected.select("instrument", "column", "is_row_kept").rows() == [
        *((PUT, column, True) for column in ("bid1Price", "ask1Price", "markPrice", "markIv", "indexPrice")),
        (CALL, "openInterest", False),
    ]
    assert chain.spot is None
    numbers = btc([instrument(PUT)], [ticker(PUT, openInterest=105.35, bid1Price=3215)], calendar)
    assert (numbers.quotes.select("oi_base", "bid").row(0), numbers.warnings) == ((105.35, 3215), (SIDES,)), (
        "numbers as numbers are fine too"
    )


def test_the_index_is_the_middle_of_the_rows(calendar: TradingCalendar) -> None:
    rows = [ticker(PUT), ticker(CALL, indexPrice="0"), ticker("BTC-27NOV26-83000-C", indexPrice="99999")]
    rows.append(ticker("BTC-27NOV26-84000-C"))
    assert btc([], rows, calendar).spot == 81_250.4


def test_new_fields_are_counted_and_gone_ones_are_said(calendar: TradingCalendar) -> None:
    chain = btc([instrument(PUT, colour="red", symbolId=7)], [ticker(PUT, markIv=..., singleOpenInterest="5")], calendar)
    assert chain.unknown_fields == {"colour": 1, "singleOpenInterest": 1}
    assert chain.warnings == ("field markIv is gone from every row, in `tickers` of book BTC", SIDES)


def test_without_its_time_a_reply_counts_from_its_receipt(calendar: TradingCalendar) -> None:
    chain = parse([reply("instruments-1", []), reply("tickers", [ticker(PUT)], time=...)], calendar)
    assert chain.venue_instant == RECEIVED_AT
    assert "does not say when it was made" in chain.warnings[-1]


def test_an_empty_list_is_an_empty_chain(calendar: TradingCalendar) -> None:
    chain = btc([], [], calendar)
    assert (chain.quotes.height, chain.spot, chain.spot_source, chain.quotes.schema) == (0, None, None, ParsedQuotes.create_empty().schema)


def refusal(code: Any, message: str) -> bytes:
    return orjson.dumps({"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": MADE_AT})


BROKEN_REPLIES: list[tuple[int, bytes, type[VenueError], str]] = [
    *((status, refusal(10006, "Too many visits!"), VenueBusy, "retCode 10006, Too many visits!") for status in (200, 429)),
    (200, refusal(10016, "Server error."), VenueBusy, "10016"),
    (200, refusal(10001, "params error: baseCoin invalid"), UnknownSymbol, "lists no options on BTC .*baseCoin invalid"),
    (200, refusal(10029, "symbol is invalid"), UnknownSymbol, "lists no options on BTC"),
    (200, refusal(10001, "params error: limit invalid"), VenueRefused, "limit invalid, for `tickers` of book BTC"),
    (200, refusal(10009, "IP not allowed"), VenueRefused, "does not serve this region. Set sources.bybit.base_url"),
    (200, refusal(10024, "Compliance rules"), VenueRefused, "region"),
    (404, refusal(10017, "Route not found."), VenueRefused, "HTTP 404 .*Route not found"),
    (200, refusal(10018, "Deprecated"), VenueRefused, "10018"),
    (403, b"<html>403, access too frequent</html>", VenueBusy, "access too frequent. If it says so after the rest too"),
    (403, b"<h1>The distribution is configured to block access from your country.</h1>", VenueRefused, "does not serve this country"),
    (429, b"<html>", VenueBusy, "HTTP 429"),
    (500, refusal(None, ""), VenueBusy, "HTTP 500"),
    (503, b"<html>", VenueBusy, "HTTP 503"),
    (200, b"<html>", VenueUnreachable, "a web page"),
    (200, b'{"retCode":0,"resu', VenueUnreachable, "only a part"),
    (200, b'{"retCode":0,"result":{"list":[{"openInterest":NaN}]}}', MalformedReply, "no JSON"),
    (200, b"[]", MalformedReply, "retCode is missing"),
    (200, b'{"result":{"list":[]}}', MalformedReply, "retCode is missing"),
    (200, b'{"retCode":0,"result":{}}', MalformedReply, "result.list is missing"),
    (200, b'{"retCode":0,"result":{"list":[{"sym":"x"}]}}', MalformedReply, "no row has the field symbol"),
]


@pytest.mark.parametrize(("status", "body", "error", "message"), BROKEN_REPLIES)
def test_each_bad_reply_raises_its_error(
    calendar: TradingCalendar, status: int, body: bytes, error: type[VenueError], message: str
) -> None:
    with pytest.raises(error, match=message):
        BYBIT.parse([reply("instruments-1", []), payload("bybit", "BTC", "tickers", body, status)], "BTC", calendar)


def test_a_block_asks_for_ten_minutes() -> None:
    error = BYBIT.judge(payload("bybit", "BTC", "tickers", b"403, access too frequent", 403))
    assert isinstance(error, VenueBusy)
    assert error.rest_until == RECEIVED_AT + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"x-bapi-limit-reset-timestamp": str(MADE_AT + 3500)}, 3.5), ({"x-bapi-limit-reset-timestamp": str(MADE_AT)}, None),
     ({"x-bapi-limit-reset-timestamp": "soon"}, None), ({}, None)],
)  # fmt: skip
def test_a_limit_says_when_it_counts_anew_on_the_venues_clock(headers: Mapping[str, str], seconds: float | None) -> None:
    busy = payload("bybit", "BTC", "tickers", refusal(10006, "Too many visits!"))
    error = BYBIT.judge(RawPayload(**{**vars(busy), "headers": headers}))
    assert isinstance(error, VenueBusy)
    assert error.rest_until == (RECEIVED_AT + timedelta(seconds=seconds) if seconds else None)
