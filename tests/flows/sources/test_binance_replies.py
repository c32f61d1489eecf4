"""Binance: what a reply stands for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from models.chain import RawPayload
from models.errors import MalformedReply, UnknownSymbol, VenueBusy, VenueError, VenueRefused, VenueUnreachable
from models.market.calendar import TradingCalendar
from tests.flows.sources.conftest import RECEIVED_AT, payload
from tests.flows.sources.test_binance import BINANCE, CALL, MADE_AT, everywhere, index, instrument, interest_reply, listing


@pytest.mark.parametrize("price", ["0", "-1", "NaN", None])
def test_an_index_without_a_price_is_malformed(price: Any) -> None:
    assert isinstance(BINANCE.judge(index(price)), MalformedReply)


def refusal(code: int, message: str = "why") -> bytes:
    return orjson.dumps({"code": code, "msg": message})


BROKEN_REPLIES: list[tuple[int, bytes, type[VenueError], str]] = [
    (429, refusal(-1003, "Too many requests"), VenueBusy, "HTTP 429 for `ticker` of book global: code -1003, Too many requests"),
    (418, refusal(-1003, "banned"), VenueBusy, "This address is banned"),
    (403, b"<html>", VenueBusy, "firewall blocks this address"),
    (400, refusal(-1008), VenueBusy, "code -1008"),
    (400, refusal(-1121, "Invalid symbol."), UnknownSymbol, "lists no options on global .*Invalid symbol"),
    (400, refusal(-1102), VenueRefused, "HTTP 400 .*-1102"),
    (400, refusal(-1128), VenueRefused, "-1128"),
    (200, refusal(-1), VenueRefused, "code -1"),
    (451, b"<html>", VenueRefused, "HTTP 451 .*serves your country"),
    (404, b"<html>", VenueRefused, "HTTP 404"),
    (503, b"<html>", VenueBusy, "HTTP 503"),
    (429, b"", VenueBusy, "HTTP 429"),
    (200, b"<html>", VenueUnreachable, "a web page"),
    (200, b'[{"symbol":', VenueUnreachable, "only a part"),
    (200, b'[{"volume":NaN}]', MalformedReply, "no JSON"),
    (200, b"{}", MalformedReply, "the list of rows is missing"),
    (200, b'[{"name":"x"}]', MalformedReply, "no row has the field symbol"),
]


@pytest.mark.parametrize(("status", "body", "error", "message"), BROKEN_REPLIES)
def test_each_bad_reply_raises_its_error(
    calendar: TradingCalendar, status: int, body: bytes, error: type[VenueError], message: str
) -> None:
    broken = payload("binance", "global", "ticker", body, status)
    with pytest.raises(error, match=message):
        BINANCE.parse([listing([instrument(CALL)]), index(), interest_reply([]), everywhere([], [])[0], broken], "BTC", calendar)


@pytest.mark.parametrize("document", [[], {}, {"optionSymbols": {}}, {"optionSymbols": [{"unit": 1}, None]}])
def test_a_list_of_instruments_that_is_none_is_malformed(document: Any) -> None:
    assert isinstance(BINANCE.judge(payload("binance", "BTC", "exchange-info", document)), MalformedReply)


@pytest.mark.parametrize(
    ("body", "headers", "rest"),
    [
        (refusal(-1003, f"Way too many requests; IP banned until {MADE_AT}."), {}, datetime(2026, 11, 13, 2, tzinfo=UTC)),
        (refusal(-1003, f"IP banned until {MADE_AT}."), {"retry-after": "120"}, None),  # the client reads the header
        (b"", {}, RECEIVED_AT + timedelta(minutes=10)),
    ],
)
def test_a_ban_says_how_long(body: bytes, headers: Mapping[str, str], rest: datetime | None) -> None:
    error = BINANCE.judge(RawPayload(**{**vars(payload("binance", "BTC", "index", body, 418)), "headers": headers}))
    assert isinstance(error, VenueBusy)
    assert error.rest_until == rest
