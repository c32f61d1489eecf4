"""Binance: global replies, one index and one reply of open interest per expiry, on payloads by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest

from flows.sources.binance import Binance, _expiries
from models.chain import Book, ParsedChain, ParsedQuotes, RawPayload, RejectedRows
from models.errors import MalformedReply, UnknownSymbol
from models.market.calendar import TradingCalendar
from tests.flows.sources.conftest import RECEIVED_AT, payload
from warehouse.settings import BinanceSettings

BINANCE = Binance(BinanceSettings())
MADE_AT = 1_794_535_200_000  # 2026-11-13 02:00:00 UTC
EXPIRES_MS = 1_795_766_400_000  # 2026-11-27 08:00 UTC
CALL, PUT, XRP = "BTC-261127-82000-C", "BTC-261127-82000-P", "XRP-261127-0.365-P"
FORWARD_DAY = "261127"


def row(symbol: str, template: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {"symbol": symbol, **template, **fields}.items() if value is not ...}


def instrument(symbol: str, **fields: Any) -> dict[str, Any]:
    """An instrument row; a field given as `...` is left out."""
    base, _, strike, side = symbol.split("-")
    template = {
        "side": {"C": "CALL", "P": "PUT"}.get(side, side), "strikePrice": strike, "underlying": f"{base}USDT",
        "unit": 100 if base == "XRP" else 1, "expiryDate": EXPIRES_MS, "minQty": "0.01", "priceScale": 2, "quantityScale": 2,
        "quoteAsset": "USDT", "contractType": "CRYPTO_OPTIONS", "underlyingType": "CRYPTO", "nakedSell": False, "status": "TRADING",
        "filters": [{"filterType": "LOT_SIZE", "minQty": "0.01", "maxQty": "100", "stepSize": "0.01"}],
    }  # fmt: skip
    return row(symbol, template, fields)


def mark(symbol: str, **fields: Any) -> dict[str, Any]:
    template = {
        "markPrice": "2597.5280", "bidIV": "0.45400000", "askIV": "0.46600000", "markIV": "0.45980000", "delta": "0.47778573",
        "theta": "-103.16789311", "gamma": "0.00005396", "vega": "63.94704118", "highPriceLimit": "5210.4", "lowPriceLimit": "310.2",
        "riskFreeInterest": "0.0",
    }  # fmt: skip
    return row(symbol, template, fields)


def ticker(symbol: str, **fields: Any) -> dict[str, Any]:
    template = {
        "lastPrice": "2610", "lastQty": "0.4", "volume": "31.5", "amount": "82100.3", "bidPrice": "2560", "askPrice": "2635",
        "openTime": MADE_AT - 86_400_000, "closeTime": MADE_AT, "strikePrice": "82000", "exercisePrice": "81250",
    }  # fmt: skip
    return row(symbol, template, fields)


def interest(symbol: str, count: str | None = "105.00", value: str | None = "8531250.0000", **fields: Any) -> dict[str, Any]:
    return row(symbol, {"sumOpenInterest": count, "sumOpenInterestUsd": value, "timestamp": str(MADE_AT - 60_000)}, fields)


def listing(instruments: Sequence[Any], book: str = "BTC", **fields: Any) -> RawPayload:
    document = {"timezone": "UTC", "serverTime": MADE_AT, "rateLimits": [], "optionSymbols": list(instruments), **fields}
    return payload("binance", book, "exchange-info", {key: value for key, value in document.items() if value is not ...})


def index(price: Any = "81250.00", book: str = "BTC", **fields: Any) -> RawPayload:
    return payload("binance", book, "index", {"time": MADE_AT, "indexPrice": price, **fields})


def interest_reply(rows: Sequence[Any], day: str = FORWARD_DAY, book: str = "BTC") -> RawPayload:
    return payload("binance", book, f"open-interest-{day}", list(rows))


def everywhere(marks: Sequence[Any], tickers: Sequence[Any]) -> list[RawPayload]:
    return [payload("binance", "global", name, list(rows)) for name, rows in (("mark", marks), ("ticker", tickers))]


def parse(payloads: list[RawPayload], calendar: TradingCalendar, underlying: str = "BTC", **settings: Any) -> ParsedChain:
    """The chain of these replies, whose frames keep their contracts."""
    chain = Binance(BinanceSettings(**settings)).parse(payloads, underlying, calendar)
    ParsedQuotes.validate(chain.quotes)
    RejectedRows.validate(chain.rejected)
    return chain


def btc(
    calendar: TradingCalendar, instruments: Sequence[Any], rows: Sequence[Any], marks: Sequence[Any] = (), tickers: Sequence[Any] = ()
) -> ParsedChain:
    return parse([listing(instruments), index(), interest_reply(rows), *everywhere(marks, tickers)], calendar)


def test_a_row_in_our_units(calendar: TradingCalendar) -> None:
    chain = btc(calendar, [instrument(CALL)], [interest(CALL)], [mark(CALL)], [ticker(CALL)])
    row = chain.quotes.row(0, named=True)
    assert (row["instrument"], row["root"], row["book"], row["option_type"], row["strike"]) == (CALL, "USDT", "USDT", "C", 82_000)
    assert (row["bid"], row["ask"], row["mark"]) == (2560, 2635, 2597.528)
    assert (row["oi_base"], row["volume_base"], row["multiplier"]) == (105.0, 31.5, 1.0)
    assert (row["venue_iv"], row["venue_delta"], row["venue_gamma"]) == (0.4598, 0.47778573, 0.00005396)
    assert [row[name] for name in ("venue_vega", "venue_theta", "venue_forward")] == [None] * 3, "two units, not reproducible, none given"
    assert (row["expires_at"], row["expiry"], row["exercise"]) == (datetime(2026, 11, 27, 8), date(2026, 11, 27), "european")
    assert (chain.spot, chain.spot_source) == (81_250.0, "index")
    assert chain.venue_instant == datetime(2026, 11, 13, 2, tzinfo=UTC)
    assert (chain.warnings, chain.unknown_fields, chain.rejected.height) == ((), {}, 0)


def test_prices_and_volume_are_per_contract(calendar: TradingCalendar) -> None:
    quoted = [ticker(XRP, bidPrice="2.64", askPrice="2.7", volume="12")]
    replies = [listing([instrument(XRP)], "XRP"), index("0.5149", "XRP"), interest_reply([interest(XRP, "39480", "20326.64")], book="XRP")]
    chain = parse([*replies, *everywhere([mark(XRP, markPrice="2.67")], quoted)], calendar, "XRP")
    row = chain.quotes.row(0, named=True)
    assert (row["bid"], row["ask"], row["mark"], row["strike"]) == (2.64 / 100, 2.7 / 100, 2.67 / 100, 0.365)
    assert (row["volume_base"], row["multiplier"]) == (1200.0, 100.0)
    assert row["oi_base"] == 39_480.0, "the value in USD says that coins are counted"
    assert "whether sumOpenInterest counts coins or contracts of several is told by its value in USD" in chain.warnings[0]
    assert chain.warnings[0].endswith("ratio 1.00008")


@pytest.mark.parametrize(
    ("count", "value", "settings", "coins", "note"),
    [
        ("394.8", "20326.64", {}, 39_480.0, "ratio 0.0100008"),  # contracts
        ("39480", "20326.64", {"oi_basis": "contracts"}, 3_948_000.0, "counts contracts"),
        ("394.8", "20326.64", {"oi_basis": "coins"}, 394.8, "counts coins"),
        ("39480", "20500", {}, 39_480.0, "ratio 0.99"),  # the index has moved between the replies
        ("500", "20326.64", {}, 39_476.87, "neither coins nor contracts"),  # neither: the value over the index
        (None, "20326.64", {}, 39_476.87, "is told by"),
        ("0", "0.0", {}, 0.0, "ratio unknown"),
        ("39480", None, {}, None, "ratio unknown"),
    ],
)
def test_what_open_interest_counts(
    calendar: TradingCalendar, count: str | None, value: str | None, settings: Mapping[str, Any], coins: float | None, note: str
) -> None:
    replies = [
        listing([instrument(XRP)], "XRP"),
        index("0.5149", "XRP"),
        interest_reply([interest(XRP, count, value)], book="XRP"),
        *everywhere([], []),
    ]
    chain = parse(replies, calendar, "XRP", **settings)
    assert chain.quotes["oi_base"].to_list() == [coins]
    assert any(note in warning for warning in chain.warnings)


def test_a_count_beyond_its_value_is_said(calendar: TradingCalendar) -> None:
    chain = btc(calendar, [instrument(CALL)], [interest(CALL, count="210.00")])
    assert chain.quotes["oi_base"].to_list() == [105.0]
    what = "sumOpenInterest of 1 contracts is neither coins nor contracts by its value in USD, ratio 2: the value over the index counts"
    assert chain.warnings == (what,)


def test_open_interest_is_in_whole_lots(calendar: TradingCalendar) -> None:
    strikes = [f"BTC-261127-{strike}-C" for strike in range(80_000, 80_100)]
    rows = [interest(name, f"{0.07 * index:.2f}", f"{0.07 * index * 81_250:.4f}") for index, name in enumerate(strikes)]
    chain = btc(calendar, list(map(instrument, strikes)), rows)
    assert chain.quotes["oi_base"].to_list() == [round(0.07 * index, 2) for index in range(100)]


def test_just_listed_contracts_have_unknown_open_interest(calendar: TradingCalendar) -> None:
    chain = btc(calendar, [instrument(PUT), instrument(CALL)], [interest(CALL)], [mark(CALL), mark(PUT)], [ticker(CALL), ticker(PUT)])
    assert chain.quotes.select("instrument", "oi_base", "bid", "row_number").rows() == [(CALL, 105.0, 2560, 0), (PUT, None, 2560, 0)]


def test_other_underlyings_and_stock_options_are_left_out(calendar: TradingCalendar) -> None:
    stock = instrument("BTC-261127-30-C", underlyingType="EQUITY")
    names = [CALL, XRP, "BTC-261127-30-C"]
    listed = [instrument(CALL, underlyingType=...), instrument(XRP), stock]
    chain = btc(calendar, listed, [interest(CALL), interest("BTC-261127-30-C")], list(map(mark, names)), list(map(ticker, names)))
    assert chain.quotes["instrument"].to_list() == [CALL]
    assert (chain.warnings, chain.rejected.height) == ((), 0)
    with pytest.raises(UnknownSymbol, match="binance: lists no options on BTC"):
        parse([listing([stock, instrument(XRP)]), index(), *everywhere([], [])], calendar)


@pytest.mark.parametrize("nothing", ["0", "0.000", "", None])
def test_missing_prices_are_null(calendar: TradingCalendar, nothing: str | None) -> None:
    quoted = [ticker(CALL, bidPrice=nothing, askPrice=nothing)]
    row = btc(calendar, [instrument(CALL)], [interest(CALL)], [mark(CALL, markPrice=nothing)], quoted).quotes.row(0, named=True)
    assert [row[name] for name in ("bid", "ask", "mark")] == [None] * 3


@pytest.mark.parametrize("nothing", ["-1", "-1.0", "-1.00000000", "0", ""])
def test_a_volatility_of_minus_one_is_missing(calendar: TradingCalendar, nothing: str) -> None:
    chain = btc(calendar, [instrument(CALL)], [interest(CALL)], [mark(CALL, markIV=nothing)])
    assert (chain.quotes["venue_iv"].to_list(), chain.rejected.height) == ([None], 0)


def test_only_expiries_that_have_not_settled_have_open_interest(calendar: TradingCalendar) -> None:
    gone = instrument("BTC-261112-82000-C", expiryDate=1_794_470_400_000)
    replies = [listing([gone, instrument(CALL)]), index(), interest_reply([interest(CALL)]), *everywhere([], [])]
    chain = parse(replies, calendar)
    assert chain.quotes.select("instrument", "oi_base").rows() == [(CALL, 105.0), ("BTC-261112-82000-C", None)]
    for moment, expiries in ((1_795_766_399_999, ["261127"]), (1_795_766_400_000, [])):  # settlement is at 08:00
        document = orjson.loads(listing([gone, instrument(CALL)], serverTime=moment).body)
        assert _expiries(document["optionSymbols"], document) == expiries
    with pytest.raises(MalformedReply, match="no reply `open-interest-261112`"):
        parse([listing([gone, instrument(CALL)], serverTime=...), *replies[1:]], calendar)


def test_open_interest_of_several_expiries(calendar: TradingCalendar) -> None:
    later = "BTC-261225-82000-C"
    replies = [
        listing([instrument(CALL), instrument(later)]),
        index(),
        interest_reply([interest(CALL)]),
        interest_reply([interest(later), interest(CALL)], "261225"),
    ]
    chain = parse([*replies, *everywhere([], [])], calendar)
    assert chain.quotes.select("instrument", "row_number").rows() == [(CALL, 0), (later, 0)]
    assert chain.quotes["payload_sha256"].n_unique() == 2
    assert chain.rejected.select("row_number", "reason").rows() == [(1, "duplicate")], "no contract counts twice"


def test_names_tell_what_fields_do_not(calendar: TradingCalendar) -> None:
    silent = instrument(XRP, side="BOTH", strikePrice="0", expiryDate=None, unit=None)
    replies = [listing([silent], "XRP"), index("0.5", "XRP"), interest_reply([interest(XRP, "5", "2.5")], book="XRP"), *everywhere([], [])]
    row = parse(replies, calendar, "XRP").quotes.row(0, named=True)
    assert (row["option_type"], row["strike"], row["expires_at"], row["multiplier"]) == ("P", 0.365, datetime(2026, 11, 27, 8), 1.0)


def test_broken_values_and_rows(calendar: TradingCalendar) -> None:
    rows = [interest(CALL, value="NaN"), interest(PUT, count="NaN"), interest("BTC-261127-9-X")]
    chain = btc(calendar, [instrument(CALL), instrument(PUT), "junk"], rows, [mark(PUT, markIV="-2", gamma="x")])
    assert chain.quotes.select("instrument", "oi_base", "venue_iv").rows() == [(PUT, 105.0, None)]
    assert chain.rejected.select("instrument", "reason", "is_row_kept").rows() == [
        (None, "not_an_object", False), (CALL, "not_a_number", False), (PUT, "not_a_number", True), ("BTC-261127-9-X", "bad_name", False),
        (PUT, "not_a_number", True), (PUT, "negative", True),
    ]  # fmt: skip


def test_new_fields_are_counted_and_gone_ones_are_said(calendar: TradingCalendar) -> None:
    chain = btc(calendar, [instrument(CALL, colour=1)], [interest(CALL)], [mark(CALL, markIV=...)], [ticker(CALL)])
    assert chain.unknown_fields == {"colour": 1}
    assert chain.warnings == ("field markIV is gone from every row, in `mark` of book global",)


def test_an_empty_list_is_an_empty_chain(calendar: TradingCalendar) -> None:
    chain = parse([listing([]), index(), *everywhere([], [])], calendar)
    assert (chain.quotes.height, chain.spot) == (0, 81_250.0)


def test_the_index_without_a_time_counts_from_its_receipt(calendar: TradingCalendar) -> None:
    replies = [listing([instrument(CALL)]), index(time=None), interest_reply([interest(CALL)]), *everywhere([], [])]
    chain = parse(replies, calendar)
    assert chain.venue_instant == RECEIVED_AT
    assert chain.warnings == ("the index does not say when it was made, so the time of its arrival counts",)


def test_global_replies_are_a_book_of_their_own() -> None:
    assert BINANCE.books("BTC") == [Book("binance", "global"), Book("binance", "BTC")]
