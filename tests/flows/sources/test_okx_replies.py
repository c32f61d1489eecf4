"""OKX: what a reply stands for, and what happens when one is missing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest

from flows.sources.okx import HEALING_CODES
from models.errors import MalformedReply, UnknownSymbol, VenueBusy, VenueError, VenueRefused, VenueUnreachable
from models.market.calendar import TradingCalendar
from tests.flows.sources.conftest import RECEIVED_AT, payload
from tests.flows.sources.test_okx import CALL, COIN, LINEAR, NO_LINEAR, OKX, family, index, parse, reply


def test_a_reply_that_was_not_fetched_is_an_error(calendar: TradingCalendar) -> None:
    with pytest.raises(MalformedReply, match="no reply `opt-summary` of book BTC-USD"):
        parse([each for each in [*family(COIN, [CALL]), *NO_LINEAR] if (each.book, each.name) != (COIN, "opt-summary")], calendar)
    with pytest.raises(MalformedReply, match="no reply `index` of book BTC-USD_UM"):
        parse([*family(COIN, [CALL]), *NO_LINEAR[:-1]], calendar)


@pytest.mark.parametrize("price", ["", "0", "-1", "NaN", ...])
def test_an_index_without_a_price_is_malformed(price: Any) -> None:
    assert isinstance(OKX.judge(index(idxPx=price)), MalformedReply)
    assert isinstance(OKX.judge(index(instId="ETH-USD")), MalformedReply), "nor is one of another underlying taken"


def test_an_index_that_is_left_out_leaves_no_spot(calendar: TradingCalendar) -> None:
    chain = parse([*family(COIN, [CALL]), *NO_LINEAR[:-1], reply(LINEAR, "index", [])], calendar)
    assert (chain.spot, chain.spot_source, chain.quotes.height) == (None, None, 1)


def refusal(code: str, message: str = "why") -> bytes:
    return orjson.dumps({"code": code, "msg": message, "data": []})


BROKEN_REPLIES: list[tuple[str, int, bytes, type[VenueError], str]] = [
    *(
        ("tickers", status, refusal(code), VenueBusy, f"code {code}, why, for `tickers`")
        for code in HEALING_CODES
        for status in (200, 429, 503)
    ),
    ("instruments", 200, refusal("51001"), UnknownSymbol, "lists no options of the family BTC-USD .*coin_margined"),
    ("tickers", 200, refusal("51001"), VenueRefused, "51001"),
    ("tickers", 400, refusal("50014"), VenueRefused, "HTTP 400 .*50014, why"),
    ("tickers", 400, refusal("51000"), VenueRefused, "51000"),
    ("tickers", 200, refusal("51014"), VenueRefused, "51014"),
    ("tickers", 500, refusal("99"), VenueBusy, "HTTP 500"),
    ("tickers", 429, b"<html>", VenueBusy, "HTTP 429"),
    ("tickers", 403, b"<html>", VenueRefused, "HTTP 403"),
    ("tickers", 200, b"<html>", VenueUnreachable, "a web page"),
    ("tickers", 200, b'{"code":"0","da', VenueUnreachable, "only a part"),
    ("tickers", 200, b'{"code":"0","data":[{"oi":NaN}]}', MalformedReply, "no JSON"),
    ("tickers", 200, b"[]", MalformedReply, "code is missing"),
    ("tickers", 200, b'{"code":"0"}', MalformedReply, "data is missing"),
    ("tickers", 200, b'{"code":"0","data":[{"name":"x"}]}', MalformedReply, "no row has the field instId"),
]


@pytest.mark.parametrize(("name", "status", "body", "error", "message"), BROKEN_REPLIES)
def test_each_bad_reply_raises_its_error(
    calendar: TradingCalendar, name: str, status: int, body: bytes, error: type[VenueError], message: str
) -> None:
    others = [each for each in family(COIN, [CALL]) if each.name != name]
    with pytest.raises(error, match=message):
        OKX.parse([*others, payload("okx", COIN, name, body, status), *NO_LINEAR], "BTC", calendar)


def test_an_answer_that_failed_before_gives_way_to_a_later_one(calendar: TradingCalendar) -> None:
    refused = payload("okx", COIN, "tickers", refusal("50011"), 429, received_at=RECEIVED_AT - timedelta(seconds=1))
    assert parse([refused, *family(COIN, [CALL]), *NO_LINEAR], calendar).quotes.height == 1
