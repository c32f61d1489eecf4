"""Cboe delayed quotes: what the feed means, on payloads by hand."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.sources.cboe import Cboe, osi_terms
from flows.sources.parsing.plain_rows import PlainRows
from models.chain import ParsedChain, ParsedQuotes, RejectedRows
from models.errors import MalformedReply, UnknownSymbol, VenueBusy, VenueError, VenueRefused, VenueUnreachable
from models.market.calendar import TradingCalendar
from tests.flows.sources.conftest import RECEIVED_AT, payload
from warehouse.settings import CboeSettings

CBOE = Cboe(CboeSettings())
DENIED = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
WEB_PAGE = b"<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head></html>"

QUOTED = {
    "bid": 3.11, "bid_size": 25.0, "ask": 3.15, "ask_size": 40.0, "iv": 0.1427, "open_interest": 475.0, "volume": 82.0,
    "delta": 0.3796, "gamma": 0.0318, "vega": 0.3193, "theta": -0.3206, "rho": 0.0431, "theo": 3.1278, "change": 0.21, "open": 2.9,
    "high": 3.4, "low": 2.75, "tick": "up", "last_trade_price": 3.13, "last_trade_time": "2026-11-13T13:29:40",
    "percent_change": 7.1918, "prev_day_close": 2.9200000762939453,
}  # fmt: skip


def option(name: str, **fields: Any) -> dict[str, Any]:
    """One option row; a field given as `...` is left out."""
    return {key: value for key, value in {"option": name, **QUOTED, **fields}.items() if value is not ...}


def document(*options: Any, timestamp: str = "2026-11-13 18:45:14", **data: Any) -> dict[str, Any]:
    head = {"symbol": "SPY", "current_price": 601.2, "close": 601.5, "prev_day_close": 599.45, "last_trade_time": "2026-11-13T13:29:59"}
    return {"timestamp": timestamp, "symbol": "SPY", "data": {**head, **data, "options": list(options)}}


def parse(content: Any, calendar: TradingCalendar, underlying: str = "SPY") -> ParsedChain:
    """The chain of one reply, whose frames keep their contracts and whose rows are all accounted for."""
    chain = CBOE.parse([payload("cboe", underlying, "chain", content)], underlying, calendar)
    ParsedQuotes.validate(chain.quotes)
    RejectedRows.validate(chain.rejected)
    sent = content if isinstance(content, dict) else orjson.loads(content)
    refused = chain.rejected.filter(~pl.col("is_row_kept"))
    assert chain.quotes.height + refused.height == len(sent["data"]["options"])
    assert sorted([*chain.quotes["row_number"], *refused["row_number"]]) == list(range(len(sent["data"]["options"])))
    assert chain.quotes["row_number"].is_sorted()
    return chain


def one(calendar: TradingCalendar, name: str = "SPY261120C00605000", underlying: str = "SPY", **fields: Any) -> dict[str, Any]:
    return parse(document(option(name, **fields)), calendar, underlying).quotes.row(0, named=True)


def test_a_row_in_our_units(calendar: TradingCalendar) -> None:
    row = one(calendar)
    assert (row["instrument"], row["root"], row["book"], row["option_type"], row["strike"]) == (
        "SPY261120C00605000",
        "SPY",
        "SPY",
        "C",
        605,
    )
    assert (row["oi_base"], row["volume_base"], row["multiplier"]) == (47_500, 8_200, 100), "shares, not contracts"
    assert (row["bid"], row["ask"], row["mark"], row["venue_iv"]) == (3.11, 3.15, 3.1278, 0.1427)
    greeks = (row["venue_delta"], row["venue_gamma"], row["venue_vega"], row["venue_theta"], row["venue_forward"])
    assert greeks == (0.3796, 0.0318, 0.3193, -0.3206, None)
    assert (row["expiry"], row["expires_at"]) == (date(2026, 11, 20), datetime(2026, 11, 20, 21))
    assert (row["exercise"], row["is_adjusted"], row["row_number"]) == ("american", False, 0)


def test_zero_means_missing_for_prices_iv_and_gamma(calendar: TradingCalendar) -> None:
    row = one(calendar, bid=0.0, ask=0.0, theo=0.0, iv=0.0, gamma=0.0, delta=0.0, vega=0.0, theta=0.0, open_interest=0.0, volume=0.0)
    assert [row[name] for name in ("bid", "ask", "mark", "venue_iv", "venue_gamma")] == [None] * 5
    assert [row[name] for name in ("venue_delta", "venue_vega", "venue_theta")] == [0.0] * 3
    assert (row["oi_base"], row["volume_base"]) == (0.0, 0.0), "zero open interest is measured"


def test_missing_open_interest_is_no_zero(calendar: TradingCalendar) -> None:
    assert one(calendar, open_interest=None)["oi_base"] is None


@pytest.mark.parametrize(
    ("name", "underlying", "root", "is_adjusted"),
    [
        ("SPXW260116C05900000", "SPX", "SPXW", False),
        ("SPXC260821C00150000", "SPXC", "SPXC", False),  # a stock whose symbol ends in C
        ("C260821C00050000", "C", "C", False),
        ("VIXW261118P00020000", "VIX", "VIXW", False),
        ("NDXP261118P20000000", "NDX", "NDXP", False),
        ("AAPL1261120C00150000", "AAPL", "AAPL1", True),
        ("SPY7261120C00150000", "SPY", "SPY7", True),
        ("MOD261120C00150000", "SPY", "MOD", True),
        ("BRKB261120C00500000", "BRK.B", "BRKB", False),
        ("BRKB1261120C00500000", "BRK.B", "BRKB1", True),
        ("SPY   261120C00150000", "SPY", "SPY", False),  # the padded spelling of the clearing house
    ],
)
def test_roots_are_read_from_the_right(calendar: TradingCalendar, name: str, underlying: str, root: str, is_adjusted: bool) -> None:
    row = one(calendar, name, underlying)
    assert (row["root"], row["is_adjusted"], row["instrument"]) == (root, is_adjusted, name)


PARTS = r"(?P<root>[A-Z][A-Z0-9.]{0,5}?)\s*(?P<ymd>[0-9]{6})(?P<option_type>[CP])(?P<thousandths>[0-9]{8})"
NAMES = st.from_regex(PARTS, fullmatch=True, alphabet=st.characters(min_codepoint=32))


@given(st.lists(NAMES | st.text("AZ09.CP \n\u2003é", max_size=24) | NAMES.map("é{}".format) | st.none(), min_size=1))
def test_the_parts_of_a_name_are_those_of_its_pattern(names: list[str | None]) -> None:
    parts = osi_terms(pl.Series(names, dtype=pl.String))
    for name, (root, expiry, option_type, strike) in zip(names, parts.rows(), strict=True):
        match = re.fullmatch(PARTS, name or "")
        assert (root, option_type) == ((match["root"], match["option_type"]) if match else (None, None))
        assert strike == (float(f"{match['thousandths'][:5]}.{match['thousandths'][5:]}") if match else None)
        assert expiry is None or (match and f"{expiry:%Y%m%d}" == "20" + match["ymd"])


def test_strikes_have_three_decimals(calendar: TradingCalendar) -> None:
    assert one(calendar, "SPY261120P00605125")["strike"] == 605.125
    assert one(calendar, "SPY261120P12345678")["strike"] == 12345.678


def test_a_strike_is_the_double_nearest_to_its_decimal_number(calendar: TradingCalendar) -> None:
    thousandths = range(100, 30_000, 100)  # 2.8 among them, which 2800 × 0.001 is not
    quotes = parse(document(*(option(f"SPY261120C{one:08d}") for one in thousandths)), calendar).quotes
    assert quotes["strike"].to_list() == [one / 1000 for one in thousandths]


ODD_ROWS = (
    option("SPY261120C00605000", last_trade_time=None),
    option("SPY261120C00605000", bid=-1, theo=1e12, delta=-0.5),
    option("SPY261120P00605000", open_interest=-5),
    option("SPY261120P00610000", open_interest=1.2, volume=None, iv=0, gamma=-0.0),
    option("SPY261320P00610000"),
    option("SPY7261120C00600000"),
    option("nothing"),
    option(" "),
)


@pytest.mark.parametrize("rows", [ODD_ROWS, ODD_ROWS[:1], (*ODD_ROWS, option("SPY261120C00700000", new=1)), (*ODD_ROWS, 5)])
def test_blanks_in_a_reply_change_nothing(calendar: TradingCalendar, rows: tuple[Any, ...]) -> None:
    tight, wide = (json.dumps(document(*rows), separators=signs).encode() for signs in ((",", ":"), (", ", ": ")))
    options = CBOE.read(payload("cboe", "SPY", "chain", tight))["data"]["options"]
    assert isinstance(options, PlainRows) == (rows in (ODD_ROWS, ODD_ROWS[:1])), "only a tight reply is read straight into columns"
    one, other = (parse(body, calendar) for body in (tight, wide))
    for frame in ("quotes", "rejected"):
        assert getattr(one, frame).drop("payload_sha256").equals(getattr(other, frame).drop("payload_sha256"))
    assert (one.warnings, one.unknown_fields, one.spot) == (other.warnings, other.unknown_fields, other.spot)


def test_am_and_pm_series_of_one_date_are_two_expiries(calendar: TradingCalendar) -> None:
    chain = parse(document(option("SPX260821C07700000", iv=0.1111), option("SPXW260821C07700000", iv=0.1192)), calendar, "SPX")
    assert chain.quotes.select("root", "expires_at", "venue_iv", "exercise").rows() == [
        ("SPX", datetime(2026, 8, 21, 13, 30), 0.1111, "european"),
        ("SPXW", datetime(2026, 8, 21, 20, 0), 0.1192, "european"),
    ]
    assert chain.rejected.height == 0, "same date, strike and type, but no duplicates"


@pytest.mark.parametrize(
    ("name", "underlying", "expires_at"),
    [
        ("SPY261113C00600000", "SPY", datetime(2026, 11, 13, 21)),  # winter
        ("SPY260821C00600000", "SPY", datetime(2026, 8, 21, 20)),  # summer
        ("SPY261127C00600000", "SPY", datetime(2026, 11, 27, 18)),  # 13:00 on the day after Thanksgiving
        ("VIX261118C00020000", "VIX", datetime(2026, 11, 18, 14, 30)),
        ("XSP261120C00600000", "XSP", datetime(2026, 11, 20, 21)),
        ("SPY261121C00600000", "SPY", datetime(2026, 11, 21, 21)),  # a Saturday: no session, kept all the same
    ],
)
def test_settlement_instants(calendar: TradingCalendar, name: str, underlying: str, expires_at: datetime) -> None:
    assert one(calendar, name, underlying)["expires_at"] == expires_at


def test_expired_series_stay_listed(calendar: TradingCalendar) -> None:
    chain = parse(document(option("SPY261112C00605000"), timestamp="2026-11-13 22:00:00"), calendar)
    assert chain.quotes.height == 1, "whether it is live is told by its settlement instant, later"


def test_the_instant_is_utc_and_the_session_is_new_yorks(calendar: TradingCalendar) -> None:
    chain = parse(document(timestamp="2026-07-23 00:43:30", last_trade_time="2026-07-22T16:14:59"), calendar)
    assert chain.venue_instant == datetime(2026, 7, 23, 0, 43, 30, tzinfo=UTC)
    assert chain.session_date == date(2026, 7, 22)
    assert chain.received_at == RECEIVED_AT


@pytest.mark.parametrize(
    ("last_trade", "session"),
    [
        ("2026-11-12T15:59:59", date(2026, 11, 12)),  # an illiquid symbol: a session behind its timestamp
        ("2026-11-14T10:00:00", date(2026, 11, 13)),  # a Saturday stands for the session before
        ("2026-11-13T23:59:59", date(2026, 11, 13)),
        (None, date(2026, 11, 13)),  # the last session that had been open for 15 minutes
        ("yesterday", date(2026, 11, 13)),
        ("0001-01-01T00:00:00", date(2026, 11, 13)),
    ],
)
def test_the_session_is_that_of_the_last_trade(calendar: TradingCalendar, last_trade: str | None, session: date) -> None:
    chain = parse(document(last_trade_time=last_trade), calendar)
    assert chain.session_date == session
    assert bool(chain.warnings) == (last_trade is None or last_trade[0] in "y0")


def test_spot_is_the_current_price_inside_the_session_and_the_close_outside(calendar: TradingCalendar) -> None:
    inside = parse(document(), calendar)
    assert (inside.spot, inside.spot_source) == (601.2, "current_price")
    outside = parse(document(timestamp="2026-11-13 21:59:00"), calendar)
    assert (outside.spot, outside.spot_source) == (601.5, "close"), "current_price holds after-hours trades"
    for chain in (inside, outside):
        assert (chain.spot_current, chain.spot_close, chain.prev_day_close) == (601.2, 601.5, 599.45)


def test_a_missing_spot_is_replaced_by_the_other_and_said(calendar: TradingCalendar) -> None:
    chain = parse(document(timestamp="2026-11-13 21:59:00", close=0.0), calendar)
    assert (chain.spot, chain.spot_source, chain.spot_close) == (601.2, "current_price", None)
    assert chain.warnings == ("close is missing, so spot is current_price",)
    bare = parse(document(close=None, current_price="n/a"), calendar)
    assert (bare.spot, bare.spot_source) == (None, None)
    assert bare.warnings == ("current_price is no price: n/a",)


def test_names_that_cannot_be_read_refuse_their_row(calendar: TradingCalendar) -> None:
    names = ["SPY261120X00605000", "SPY261320C00605000", "SPY261120C00000000", "261120C00605000", "SPY-20NOV26", "", "spy261120C00605000"]
    chain = parse(document(*map(option, names), option("SPY261120C00605000")), calendar)
    assert chain.rejected["reason"].to_list() == ["bad_name", "bad_expiry", "bad_strike", "bad_name", "bad_name", "bad_name", "bad_name"]
    assert chain.quotes["row_number"].to_list() == [7]


def test_open_interest_that_is_no_number_refuses_the_row(calendar: TradingCalendar) -> None:
    names = [f"SPY261120C0060{index}000" for index in range(5)]
    broken = ["NaN", -1.0, "abc", True]
    rows = [option(name, open_interest=value) for name, value in zip(names, [*broken, "12"], strict=True)]
    chain = parse(document(*rows), calendar)
    assert chain.rejected.select("reason", "column", "value", "is_row_kept").rows() == [
        ("not_a_number", "open_interest", "NaN", False),
        ("negative", "open_interest", "-1.0", False),
        ("not_a_number", "open_interest", "abc", False),
        ("not_a_number", "open_interest", "true", False),
    ]
    assert chain.quotes["oi_base"].to_list() == [1200.0], "a number sent as text is a number"
    assert chain.warnings == ("1 numbers of open_interest were sent as text, in `chain` of book SPY",)


def test_a_broken_quote_becomes_null_and_is_recorded(calendar: TradingCalendar) -> None:
    broken = {"bid": "NaN", "ask": -0.05, "iv": "NaN", "theo": [], "delta": "x", "gamma": -0.1, "vega": "x", "theta": {}, "volume": -3}
    chain = parse(document(option("SPY261120C00605000", **broken)), calendar)
    columns = ["bid", "ask", "venue_iv", "mark", "venue_delta", "venue_gamma", "venue_vega", "venue_theta", "volume_base"]
    assert chain.quotes.select(columns).row(0) == (None,) * 9
    assert chain.quotes["oi_base"].to_list() == [47_500]
    assert set(chain.rejected["column"]) == set(broken)
    assert chain.rejected["is_row_kept"].all()


def test_rows_that_come_twice(calendar: TradingCalendar) -> None:
    first, second = option("SPY261120C00605000"), option("SPY261120C00610000")
    chain = parse(document(first, second, first, {**second, "open_interest": 476.0}), calendar)
    assert chain.quotes["row_number"].to_list() == [0, 1]
    assert chain.rejected.select("row_number", "reason").rows() == [(2, "duplicate"), (3, "conflicting_duplicate")]


def test_new_fields_are_counted_and_gone_ones_are_said(calendar: TradingCalendar) -> None:
    names = ("SPY261120C00605000", "SPY261120C00610000")
    chain = parse(document(*(option(name, gamma=..., color=1) for name in names)), calendar)
    assert chain.unknown_fields == {"color": 2}
    assert chain.warnings == ("field gamma is gone from every row, in `chain` of book SPY",)
    assert chain.quotes["venue_gamma"].to_list() == [None, None]


def test_an_empty_chain_is_a_chain(calendar: TradingCalendar) -> None:
    chain = parse(document(), calendar)
    assert (chain.quotes.height, chain.warnings, chain.spot) == (0, (), 601.2)


def test_a_chain_of_adjusted_contracts_only_is_said(calendar: TradingCalendar) -> None:
    chain = parse(document(option("SPY1261120C00605000")), calendar)
    assert chain.quotes["is_adjusted"].all()
    assert "all are adjusted contracts" in chain.warnings[0]


BROKEN_REPLIES: list[tuple[int, bytes, type[VenueError], str]] = [
    (403, DENIED, UnknownSymbol, "lists no options on SPY"),
    (403, WEB_PAGE, VenueBusy, "content network blocks"),
    (403, b"", VenueBusy, "content network blocks"),
    (429, b"{}", VenueBusy, "HTTP 429"),
    (503, WEB_PAGE, VenueBusy, "HTTP 503"),
    (404, WEB_PAGE, VenueRefused, "HTTP 404"),
    (301, b"", VenueRefused, "HTTP 301"),
    (200, WEB_PAGE, VenueUnreachable, "a web page and not JSON"),
    (200, b"", VenueUnreachable, "only a part"),
    (200, json.dumps(document(option("SPY261120C00605000"))).encode()[:300], VenueUnreachable, "only a part"),
    (200, b'{"timestamp": "2026-11-13 18:45:14", "data": {"options": [NaN]}}', MalformedReply, "no JSON"),
    (200, b"\xff\xfe", MalformedReply, "no JSON"),
    (200, b"[]", MalformedReply, "data.options is missing"),
    (200, b'{"timestamp": "2026-11-13 18:45:14", "options": []}', MalformedReply, "data.options is missing"),
    (200, b'{"timestamp": "2026-11-13 18:45:14", "data": {"options": {}}}', MalformedReply, "data.options is missing"),
    (200, b'{"timestamp": 5, "data": {"options": []}}', MalformedReply, "timestamp is no time: 5"),
    (200, b'{"data": {"options": []}}', MalformedReply, "timestamp is no time: None"),
    (200, b'{"timestamp": "2026-11-13 18:45:14", "data": {"options": [{"symbol": "x"}]}}', MalformedReply, "no row has the field option"),
    (200, b'{"timestamp": "2045-01-01 00:00:00", "data": {"options": []}}', MalformedReply, "times are impossible"),
]


@pytest.mark.parametrize(("status", "body", "error", "message"), BROKEN_REPLIES)
def test_each_bad_reply_raises_its_error(
    calendar: TradingCalendar, status: int, body: bytes, error: type[VenueError], message: str
) -> None:
    with pytest.raises(error, match=message):
        CBOE.parse([payload("cboe", "SPY", "chain", body, status)], "SPY", calendar)


def test_the_newest_usable_reply_counts(calendar: TradingCalendar) -> None:
    older = payload("cboe", "SPY", "chain", document(option("SPY261120C00605000")))
    newer = payload("cboe", "SPY", "chain", document(), received_at=RECEIVED_AT + timedelta(seconds=5))
    failed = payload("cboe", "SPY", "chain", b"", 503, received_at=RECEIVED_AT + timedelta(seconds=9))
    for order in ([older, newer, failed], [failed, newer, older]):
        assert CBOE.parse(order, "SPY", calendar).quotes.height == 0
    with pytest.raises(MalformedReply, match="there is no reply `chain` of book QQQ"):
        CBOE.parse([older], "QQQ", calendar)
