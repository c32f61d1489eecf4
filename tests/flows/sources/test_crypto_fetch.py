"""What Bybit, OKX and Binance are asked for, and how their ways of saying "slow down" are heeded, over real HTTP on the loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from flows.sources.binance import Binance
from flows.sources.bybit import MAX_PAGES, Bybit
from flows.sources.okx import PATHS, Okx
from models.chain import Book
from models.errors import MalformedReply, UnknownSymbol, VenueBusy
from models.market.calendar import TradingCalendar
from tests.flows.sources import test_binance as on_binance
from tests.flows.sources import test_bybit as on_bybit
from tests.flows.sources import test_okx as on_okx
from tests.flows.sources.conftest import RECEIVED_AT, Clock, Step, Venue, Web, answer
from tests.flows.sources.test_binance_replies import refusal as refused_by_binance
from tests.flows.sources.test_okx_replies import refusal as refused_by_okx
from warehouse.settings import BinanceSettings, BybitSettings, OkxSettings

Maker = Callable[..., Venue]
BYBIT, OKX, BINANCE = Bybit(BybitSettings()), Okx(OkxSettings()), Binance(BinanceSettings())
BTC, FAMILY, ALL = Book("bybit", "BTC"), Book("okx", "BTC-USD_UM"), Book("binance", "global")


def requests_of(web: Web) -> list[tuple[str, dict[str, list[str]]]]:
    """Path and parameters of what the server was asked."""
    return [(urlsplit(path).path, parse_qs(urlsplit(path).query)) for path in web.paths]


def served(payload: Any, **headers: str) -> Step:
    return answer(payload.body, **headers)


# Bybit


def test_bybit_pages_until_the_cursor_is_empty(web: Web, venue: Maker, calendar: TradingCalendar) -> None:
    cursor = "first%3DBTC-1%26last%3DBTC-2"
    pages = [
        on_bybit.reply("instruments-1", [on_bybit.instrument(on_bybit.PUT)], cursor),
        on_bybit.reply("instruments-2", [on_bybit.instrument(on_bybit.CALL)]),
    ]
    web.steps = [*map(served, pages), served(on_bybit.reply("tickers", [on_bybit.ticker(on_bybit.PUT)]))]
    replies = BYBIT.fetch(venue("bybit").client, BTC)
    option = {"category": ["option"], "baseCoin": ["BTC"]}
    assert requests_of(web) == [
        ("/v5/market/instruments-info", option | {"limit": ["1000"]}),
        ("/v5/market/instruments-info", option | {"limit": ["1000"], "cursor": [cursor]}),  # as it was given, percent signs too
        ("/v5/market/tickers", option),
    ]
    assert [each.name for each in replies] == ["instruments-1", "instruments-2", "tickers"]
    assert BYBIT.parse(replies, "BTC", calendar).quotes["instrument"].to_list() == [on_bybit.PUT, on_bybit.CALL]


def test_bybit_pages_that_never_end(web: Web, venue: Maker) -> None:
    web.steps = [served(on_bybit.reply("instruments-1", [], "again"))]
    with pytest.raises(MalformedReply, match=f"its list of BTC options has no end: {MAX_PAGES} pages"):
        BYBIT.fetch(venue("bybit").client, BTC)
    assert len(web.paths) == MAX_PAGES


def test_bybit_limit_inside_http_200_is_waited_for(web: Web, venue: Maker, clock: Clock) -> None:
    busy = answer(on_bybit.refusal(10006, "Too many visits!"), X_Bapi_Limit_Reset_Timestamp=str(on_bybit.MADE_AT + 2500))
    web.steps = [busy, served(on_bybit.reply("instruments-1", [])), served(on_bybit.reply("tickers", []))]
    client = venue("bybit")
    assert len(BYBIT.fetch(client.client, BTC)) == 2
    assert 2.4 < max(clock.slept) <= 2.5, "until the limit counts anew"
    assert len(client.archive) == 3, "the refusal is archived too"


def test_bybit_block_is_left_alone_for_ten_minutes(web: Web, venue: Maker) -> None:
    web.steps = [answer(b"<html>403, access too frequent</html>", 403)]
    client = venue("bybit")
    for _ in range(2):
        with pytest.raises(VenueBusy, match=r"rest of 600 s|not asked before") as raised:
            BYBIT.fetch(client.client, BTC)
        assert raised.value.rest_until is not None
        assert abs(raised.value.rest_until - RECEIVED_AT - timedelta(minutes=10)) < timedelta(seconds=2)
    assert len(web.paths) == 1


def test_bybit_does_not_know_every_coin(web: Web, venue: Maker) -> None:
    web.steps = [answer(on_bybit.refusal(10001, "params error: baseCoin invalid"))]
    with pytest.raises(UnknownSymbol, match="bybit: lists no options on HYPE"):
        BYBIT.fetch(venue("bybit").client, Book("bybit", "HYPE"))
    assert len(web.paths) == 1


# OKX


def okx_family(web: Web) -> None:
    """Makes the server an OKX with one contract."""
    routes = {reply.name: served(reply) for reply in on_okx.family(FAMILY.name, [on_okx.LINEAR_CALL])}
    web.routes = {"index-tickers": routes.pop("index"), **{PATHS[name]: step for name, step in routes.items()}}


def test_okx_gets_five_requests_per_family_and_one_for_the_index(web: Web, venue: Maker, calendar: TradingCalendar) -> None:
    okx_family(web)
    replies = OKX.fetch(venue("okx").client, FAMILY)
    kind, family = {"instType": ["OPTION"]}, {"instFamily": ["BTC-USD_UM"]}
    assert requests_of(web) == [
        ("/api/v5/public/instruments", kind | family),
        ("/api/v5/public/open-interest", kind | family),
        ("/api/v5/public/opt-summary", family),
        ("/api/v5/public/mark-price", kind | family),
        ("/api/v5/market/tickers", kind | family),
        ("/api/v5/market/index-tickers", {"instId": ["BTC-USD"]}),
    ]
    assert OKX.parse(replies, "BTC", calendar).quotes["instrument"].to_list() == [on_okx.LINEAR_CALL]
    OKX.fetch(venue("okx").client, Book("okx", "BTC-USD"))
    assert len(web.paths) == 11, "the index is the same"


@pytest.mark.parametrize("status", [200, 429])
def test_okx_limit_is_waited_for_whatever_its_status(web: Web, venue: Maker, clock: Clock, status: int) -> None:
    okx_family(web)
    instruments = web.routes.pop(PATHS["instruments"])
    web.steps = [answer(refused_by_okx("50011", "Too Many Requests"), status)] * 2 + [instruments]
    assert len(OKX.fetch(venue("okx").client, FAMILY)) == 6
    assert [round(seconds, 1) for seconds in clock.slept if seconds > 0.1] == [1.5, 2.5]


def test_okx_does_not_list_every_family(web: Web, venue: Maker) -> None:
    web.steps = [answer(refused_by_okx("51001", "doesn't exist"))]
    with pytest.raises(UnknownSymbol, match="okx: lists no options of the family HYPE-USD_UM"):
        OKX.fetch(venue("okx").client, OKX.books("HYPE")[0])
    assert len(web.paths) == 1


# Binance


def binance(web: Web, used: int = 1, **limits: Any) -> None:
    """Makes the server a Binance with two expiries of BTC and one of XRP; `used`: the weight that its replies tell."""
    names = [on_binance.CALL, on_binance.XRP, "BTC-261225-82000-C", "BTC-261112-82000-C"]
    listing = on_binance.listing([on_binance.instrument(name) for name in names], rateLimits=[limits] if limits else [])
    weight = {"X_Mbx_Used_Weight_1M": str(used)}
    web.routes = {"exchangeInfo": served(listing, **weight), "index": served(on_binance.index(), **weight)}
    web.routes["expiration=261127"] = served(on_binance.interest_reply([on_binance.interest(on_binance.CALL)]), **weight)
    web.steps = [answer("[]", **weight)]


def test_binance_requests_name_the_expiries_of_one_underlying(web: Web, venue: Maker, calendar: TradingCalendar) -> None:
    binance(web)
    client = venue("binance")
    replies = [reply for book in BINANCE.books("BTC") for reply in BINANCE.fetch(client.client, book)]
    assert requests_of(web) == [
        ("/eapi/v1/mark", {}),
        ("/eapi/v1/ticker", {}),
        ("/eapi/v1/exchangeInfo", {}),
        ("/eapi/v1/index", {"underlying": ["BTCUSDT"]}),
        ("/eapi/v1/openInterest", {"underlyingAsset": ["BTC"], "expiration": ["261127"]}),
        ("/eapi/v1/openInterest", {"underlyingAsset": ["BTC"], "expiration": ["261225"]}),  # 261112 has settled
    ]
    chain = BINANCE.parse(replies, "BTC", calendar)
    assert chain.quotes.select("instrument", "oi_base").rows() == [
        (on_binance.CALL, 105.0), ("BTC-261225-82000-C", None), ("BTC-261112-82000-C", None),
    ]  # fmt: skip


def test_binance_does_not_list_every_underlying(web: Web, venue: Maker) -> None:
    binance(web)
    with pytest.raises(UnknownSymbol, match="binance: lists no options on HYPE"):
        BINANCE.fetch(venue("binance").client, Book("binance", "HYPE"))
    assert len(web.paths) == 1


@pytest.mark.parametrize(("used", "second"), [(2115, None), (2121, 1), (2400, 1)])
def test_binance_waits_for_the_next_minute_before_its_weight_is_used_up(
    web: Web, venue: Maker, clock: Clock, used: int, second: int | None
) -> None:
    clock.seconds = 35.0  # 55 seconds into a minute
    binance(web, used=used)
    BINANCE.fetch(venue("binance").client, ALL)
    assert len(web.paths) == 2
    assert (clock.now().second == second) if second else clock.seconds < 36, "the ticker weighs 40, and a tenth of 2400 is left to others"


def test_binance_fails_when_the_next_minute_is_far(web: Web, venue: Maker) -> None:
    binance(web, used=2200)
    client = venue("binance")
    with pytest.raises(VenueBusy, match=r"weigh 2200 of 2400 in this minute\. It is left alone until 2026-11-13 18:46:01 UTC") as raised:
        BINANCE.fetch(client.client, ALL)
    assert raised.value.rest_until is not None
    with pytest.raises(VenueBusy, match="not asked before"):
        BINANCE.fetch(client.client, Book("binance", "BTC"))
    assert len(web.paths) == 1


def test_binance_says_its_limit_itself(web: Web, venue: Maker) -> None:
    binance(web, used=400, rateLimitType="REQUEST_WEIGHT", interval="MINUTE", intervalNum=1, limit=400)
    with pytest.raises(VenueBusy, match="weigh 400 of 400"):
        BINANCE.fetch(venue("binance").client, Book("binance", "BTC"))


def test_binance_retry_after_is_heeded(web: Web, venue: Maker, clock: Clock) -> None:
    binance(web)
    web.steps = [answer(refused_by_binance(-1003), 429, Retry_After="7"), answer("[]")]
    assert len(BINANCE.fetch(venue("binance").client, ALL)) == 2
    assert round(max(clock.slept)) == 7


@pytest.mark.parametrize(
    ("status", "headers", "body", "minutes"),
    [
        (418, {"Retry_After": "120"}, refused_by_binance(-1003), 2),
        (418, {}, json.dumps({"code": -1003, "msg": f"IP banned until {round((RECEIVED_AT.timestamp() + 259_200) * 1000)}."}), 4320),
        (418, {}, "<html>", 10),
        (403, {}, "<html>", 10),
    ],
)
def test_binance_bans_are_not_tried_again(
    web: Web, venue: Maker, status: int, headers: dict[str, str], body: bytes | str, minutes: int
) -> None:
    web.steps = [answer(body, status, **headers)]
    with pytest.raises(VenueBusy) as raised:
        BINANCE.fetch(venue("binance").client, ALL)
    assert raised.value.rest_until is not None
    assert abs(raised.value.rest_until - RECEIVED_AT - timedelta(minutes=minutes)) < timedelta(seconds=2)
    assert len(web.paths) == 1
