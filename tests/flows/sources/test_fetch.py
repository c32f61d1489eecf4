"""What each source asks its venue for, over real HTTP on the loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from flows.sources.cboe import Cboe
from flows.sources.deribit import Deribit
from flows.sources.registry import SOURCES, source
from models.chain import Book
from models.errors import MalformedReply, UnknownSymbol, UsageError, VenueBusy, VenueRefused
from models.market.calendar import TradingCalendar
from tests.flows.sources.conftest import Step, Venue, Web, answer
from tests.flows.sources.test_cboe import DENIED, WEB_PAGE, document
from tests.flows.sources.test_deribit import CALL, instrument, refusal, summary
from warehouse.settings import CboeSettings, DeribitSettings, Settings

Maker = Callable[..., Venue]
CBOE, DERIBIT = Cboe(CboeSettings()), Deribit(DeribitSettings())
CHAIN = answer(json.dumps(document()))
NO_SUCH_FILE = answer(DENIED, 403, Content_Type="application/xml")


def result(content: Any) -> Step:
    return answer(json.dumps({"jsonrpc": "2.0", "result": content, "usIn": 1, "usOut": 2}))


def book_of(web: Web, instruments: list[Any], rows: list[Any], **indexes: float) -> None:
    """Makes the server a Deribit with these rows in every book and one delivery price of each index, which knows no other index."""
    web.routes = {"get_instruments": result(instruments), "get_book_summary_by_currency": result(rows)}
    settled = [{"date": "2026-11-12", "delivery_price": price - 1} for price in indexes.values()]
    web.routes |= {
        f"get_delivery_prices?index_name={name}": result({"data": [row], "records_total": 1})
        for name, row in zip(indexes, settled, strict=True)
    }
    web.routes |= {f"get_index_price?index_name={name}": result({"index_price": price}) for name, price in indexes.items()}
    web.steps = [answer(refusal(-32602, "Invalid params", param="index_name"), 400)]


@pytest.mark.parametrize(
    ("underlying", "listed_as", "requested"),
    [
        ("SPX", "/_SPX.json", ["_SPX.json"]),
        ("OEX", "/_OEX.json", ["_OEX.json"]),
        ("SPY", "/SPY.json", ["SPY.json"]),
        ("BRK.B", "/BRKB.json", ["BRKB.json"]),
        ("RUI", "/_RUI.json", ["RUI.json", "_RUI.json"]),  # an index that we do not know as one
    ],
)
def test_which_file_is_requested_from_cboe(
    web: Web, venue: Maker, calendar: TradingCalendar, underlying: str, listed_as: str, requested: list[str]
) -> None:
    web.routes, web.steps = {listed_as: CHAIN}, [NO_SUCH_FILE]
    client = venue("cboe")
    replies = CBOE.fetch(client.client, CBOE.books(underlying)[0])
    assert web.paths == [f"/api/global/delayed_quotes/options/{name}" for name in requested]
    assert len(client.archive) == len(requested), "the refusal is archived too"
    assert CBOE.parse(client.archive, underlying, calendar).quotes.equals(CBOE.parse(replies, underlying, calendar).quotes)


def test_a_symbol_that_cboe_does_not_list(web: Web, venue: Maker, calendar: TradingCalendar) -> None:
    web.steps = [NO_SUCH_FILE]
    client = venue("cboe")
    with pytest.raises(UnknownSymbol, match="cboe: lists no options on NOTAREALSYM"):
        CBOE.fetch(client.client, Book("cboe", "NOTAREALSYM"))
    assert [path.rpartition("/")[2] for path in web.paths] == ["NOTAREALSYM.json", "_NOTAREALSYM.json"]
    with pytest.raises(UnknownSymbol):
        CBOE.parse(client.archive, "NOTAREALSYM", calendar)


def test_a_symbol_stays_within_its_folder(web: Web, venue: Maker) -> None:
    web.steps = [NO_SUCH_FILE]
    with pytest.raises(UnknownSymbol):
        CBOE.fetch(venue("cboe").client, Book("cboe", "../secret?x"))
    assert web.paths[0] == "/api/global/delayed_quotes/options/%2Fsecret%3Fx.json"


def test_a_block_by_the_content_network_is_no_unknown_symbol(web: Web, venue: Maker) -> None:
    web.steps = [answer(WEB_PAGE, 403)]
    with pytest.raises(VenueBusy, match="content network blocks"):
        CBOE.fetch(venue("cboe", max_attempts=3).client, Book("cboe", "SPY"))
    assert [path.rpartition("/")[2] for path in web.paths] == ["SPY.json"] * 3


def test_a_page_instead_of_a_chain_heals(web: Web, venue: Maker) -> None:
    web.steps = [answer(WEB_PAGE), answer(json.dumps(document())[:200]), CHAIN]
    client = venue("cboe")
    assert CBOE.fetch(client.client, Book("cboe", "SPY")) == [client.archive[2]]


def test_the_requests_of_a_deribit_book(web: Web, venue: Maker) -> None:
    book_of(web, [instrument(CALL, 82_000)], [summary(CALL)], btc_usd=81_250.12)
    replies = DERIBIT.fetch(venue().client, Book("deribit", "BTC"))
    assert [each.name for each in replies] == ["instruments", "book-summary", "index-btc_usd", "delivery-btc_usd"]
    assert web.paths == [
        "/api/v2/public/get_instruments?currency=BTC&kind=option&expired=false",
        "/api/v2/public/get_book_summary_by_currency?currency=BTC&kind=option",
        "/api/v2/public/get_index_price?index_name=btc_usd",
        "/api/v2/public/get_delivery_prices?index_name=btc_usd&offset=0&count=100",
    ]


def test_the_list_of_instruments_has_a_pace_of_its_own(web: Web, venue: Maker) -> None:
    book_of(web, [], [])
    client = venue(max_requests_per_second=5, instruments_per_second=0.5)
    for name in ("BTC", "ETH", "USDC"):
        DERIBIT.fetch(client.client, Book("deribit", name))
    departures = [each.sent_at for each in client.archive if each.name == "instruments"]
    assert len(departures) == 3
    assert min((later - first).total_seconds() for first, later in pairwise(departures)) >= 2


def test_an_empty_book_needs_no_index(web: Web, venue: Maker) -> None:
    book_of(web, [], [])
    assert [each.name for each in DERIBIT.fetch(venue().client, Book("deribit", "USDC"))] == ["instruments", "book-summary"]


def test_each_underlying_of_the_linear_book_has_its_index(web: Web, venue: Maker, calendar: TradingCalendar) -> None:
    names = {"SOL": "SOL_USDC-27NOV26-200-C", "PAXG": "PAXG_USDC-27NOV26-4000-C", "HYPE": "HYPE_USDC-27NOV26-78-C"}
    terms = [instrument(names["SOL"], 200, base="SOL"), instrument(names["PAXG"], 4000, base="PAXG", price_index="paxg_usd")]
    book_of(web, terms, [summary(name) for name in names.values()], sol_usdc=190.0, paxg_usd=4100.0)
    client = venue()
    replies = DERIBIT.fetch(client.client, Book("deribit", "USDC"))
    requested = [path.rpartition("/")[2].partition("&")[0] for path in web.paths[2:]]
    assert requested == [
        f"{method}?index_name={name}"
        for method in ("get_index_price", "get_delivery_prices")
        for name in ("hype_usdc", "paxg_usd", "sol_usdc")
    ]
    assert DERIBIT.parse(replies, "PAXG", calendar).spot == 4100.0
    with pytest.raises(MalformedReply, match="`index-hype_usdc`"):
        DERIBIT.parse(replies, "HYPE", calendar)
    with pytest.raises(VenueRefused, match="Invalid params, parameter index_name"):
        DERIBIT.parse(client.archive, "HYPE", calendar)


def test_an_index_name_is_never_taken_for_more(web: Web, venue: Maker) -> None:
    book_of(web, [instrument(CALL, 82_000, price_index="../../btc?x")], [], btc_usd=81_250.12)
    assert [each.name for each in DERIBIT.fetch(venue().client, Book("deribit", "BTC"))][2:] == ["index-btc_usd", "delivery-btc_usd"]


def test_sources_are_looked_up_by_name() -> None:
    for name, kind in SOURCES.items():
        assert type(source(name, Settings())) is kind
        assert kind.name == name
    with pytest.raises(UsageError, match="No venue is called 'nyse'"):
        source("nyse", Settings())
