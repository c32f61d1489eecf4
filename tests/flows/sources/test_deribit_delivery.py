"""Deribit's delivery prices: read beside the chain, which is whole without them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from flows.demo.venues import Double, serve
from flows.sources.deribit_delivery import DAYS
from models.chain import Book, ParsedChain, ParsedSettlements
from models.errors import MalformedReply
from models.market.calendar import TradingCalendar
from tests.flows.sources.conftest import Venue, Web, answer
from tests.flows.sources.test_deribit import CALL, DERIBIT, NO_LINEAR, book, instrument, refusal, reply, summary
from tests.flows.sources.test_fetch import book_of

CHAIN = ([instrument(CALL, 82_000)], [summary(CALL)])


def parsed(calendar: TradingCalendar, data: Any, *more: Any) -> ParsedChain:
    replies = [each for each in book("BTC", *CHAIN, btc_usd=81_250.12) if not each.name.startswith("delivery-")]
    chain = DERIBIT.parse([*replies, reply("BTC", "delivery-btc_usd", {"data": data}, 3), *more, *NO_LINEAR], "BTC", calendar)
    ParsedSettlements.validate(chain.settlements)
    return chain


def test_a_day_settles_at_eight_utc(calendar: TradingCalendar) -> None:
    chain = parsed(calendar, [{"date": "2026-11-12", "delivery_price": 80_990.5}, {"date": "2026-11-11", "delivery_price": 80_000}])
    assert chain.settlements.select("underlying", "expires_at", "source", "settlement_price", "row_number").rows() == [
        ("BTC", datetime(2026, 11, 11, 8), "deribit:btc_usd", 80_000.0, 1),
        ("BTC", datetime(2026, 11, 12, 8), "deribit:btc_usd", 80_990.5, 0),
    ]
    assert (chain.quotes.height, chain.warnings, chain.rejected.height) == (1, (), 0)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"date": "2026-11-12", "delivery_price": None}, "no_price"),
        ({"date": "2026-11-12", "delivery_price": 0}, "no_price"),
        ({"date": "2026-11-12"}, "no_price"),
        ({"date": "2026-11-12", "delivery_price": -5}, "negative"),
        ({"date": "2026-11-12", "delivery_price": "soon"}, "not_a_number"),
        ({"date": "12 Nov", "delivery_price": 1.0}, "no_date"),
        ({"date": "1999-12-31", "delivery_price": 1.0}, "no_date"),
        ({"delivery_price": 1.0}, "bad_name"),
        ({"date": "2026-11-11", "delivery_price": 9.0}, "conflicting_duplicate"),
        ("12 Nov", "not_an_object"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_and_the_others_stay(calendar: TradingCalendar, row: Any, reason: str) -> None:
    chain = parsed(calendar, [{"date": "2026-11-11", "delivery_price": 80_000.0}, row])
    assert chain.settlements["expires_at"].to_list() == [datetime(2026, 11, 11, 8)]
    assert chain.rejected["reason"].to_list() == [reason]
    assert chain.quotes.height == 1


def test_each_index_of_an_underlying_has_its_own_prices(calendar: TradingCalendar) -> None:
    linear = book("USDC", [instrument("BTC_USDC-27NOV26-82000-C", 82_000)], [summary("BTC_USDC-27NOV26-82000-C")], btc_usdc=81_260.0)
    linear = [each for each in linear if not each.name.startswith("delivery-")]
    linear.append(reply("USDC", "delivery-btc_usdc", {"data": [{"date": "2026-11-12", "delivery_price": 80_995.0}]}, 3))
    inverse = [
        *book("BTC", *CHAIN, btc_usd=81_250.12)[:3],
        reply("BTC", "delivery-btc_usd", {"data": [{"date": "2026-11-12", "delivery_price": 80_990.5}]}),
    ]
    chain = DERIBIT.parse([*inverse, *linear], "BTC", calendar)
    assert chain.settlements.select("source", "settlement_price").rows() == [("deribit:btc_usd", 80_990.5), ("deribit:btc_usdc", 80_995.0)]


@pytest.mark.parametrize("result", [[], {}, {"data": None}, {"data": {}}, None])
def test_another_shape_is_malformed(result: Any) -> None:
    assert isinstance(DERIBIT.judge(reply("BTC", "delivery-btc_usd", result)), MalformedReply)


@pytest.mark.parametrize(
    "step",
    [
        answer(refusal(-32601, "Method not found"), 400), answer("<html>", 503), answer("{", 200), answer(json.dumps({"result": {}})),
        answer(refusal(10028, "too_many_requests"), 429, Retry_After="300"),
    ],
)  # fmt: skip
def test_a_book_without_delivery_prices_is_whole_and_says_so(
    web: Web, venue: Callable[..., Venue], calendar: TradingCalendar, step: Any
) -> None:
    book_of(web, *CHAIN, btc_usd=81_250.12)
    web.routes = {path: one for path, one in web.routes.items() if "delivery" not in path}
    web.steps = [step]
    client = venue(max_attempts=2)
    replies = DERIBIT.fetch(client.client, Book("deribit", "BTC"))
    assert [each.name for each in replies] == ["instruments", "book-summary", "index-btc_usd"]
    assert "delivery-btc_usd" in [each.name for each in client.archive], "what came is in raw/"
    for payloads in (replies, client.archive):
        chain = DERIBIT.parse([*payloads, *NO_LINEAR], "BTC", calendar)
        assert (chain.quotes.height, chain.spot, chain.settlements.height) == (1, 81_250.12, 0)
        assert chain.warnings == ("no delivery prices of btc_usd came with the chain",)


@pytest.fixture(scope="module")
def market() -> Any:
    with serve(session=3) as running:
        yield running


def test_the_double_tells_a_hundred_days_of_its_market(market: Double, venue: Callable[..., Venue], calendar: TradingCalendar) -> None:
    client = venue("deribit", base_url=market.urls["deribit"], max_requests_per_second=100)
    replies = [each for one in DERIBIT.books("SOL") for each in DERIBIT.fetch(client.client, one)]
    settled = DERIBIT.parse(replies, "SOL", calendar).settlements
    now = market.market.now.replace(tzinfo=None)
    assert settled.height == DAYS
    assert settled["source"].unique().to_list() == ["deribit:sol_usdc"]
    assert settled["expires_at"].to_list() == [settled["expires_at"][-1] - timedelta(days=back) for back in range(DAYS)][::-1]
    assert timedelta(0) <= now - settled["expires_at"][-1] < timedelta(days=1)
    assert settled["expires_at"][-1].date() >= date(2026, 1, 1)
