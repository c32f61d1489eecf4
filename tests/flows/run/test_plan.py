"""What a run asks: underlyings, their venues, and each book once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flows.run.plan import Plan, make_plan, sources_of
from models.errors import UsageError
from warehouse.settings import Settings, Watch

NOW = datetime(2026, 3, 2, 22, 5, 7, tzinfo=UTC)
WATCHED = Settings(
    watchlist={
        "SPX": Watch(venues=("cboe",)),
        "BTC": Watch(venues=("deribit", "okx")),
        "SOL": Watch(venues=("deribit",)),
    }
)


def plan(*underlyings: str, venues: tuple[str, ...] = ()) -> Plan:
    return make_plan(underlyings, venues, WATCHED, NOW)


def asks(one: Plan) -> list[tuple[str, str]]:
    return [(ask.underlying, ask.venue) for ask in one.asks]


def test_without_arguments_the_watchlist_is_requested() -> None:
    assert asks(plan()) == [("SPX", "cboe"), ("BTC", "deribit"), ("BTC", "okx"), ("SOL", "deribit")]
    assert plan().underlyings == ["SPX", "BTC", "SOL"]


def test_a_venue_alone_narrows_the_watchlist() -> None:
    assert asks(plan(venues=("deribit",))) == [("BTC", "deribit"), ("SOL", "deribit")]
    with pytest.raises(UsageError, match="Nothing in the watchlist is on bybit: name an underlying"):
        plan(venues=("bybit",))


def test_an_underlying_alone_is_requested_where_it_is_watched() -> None:
    assert asks(plan("btc")) == [("BTC", "deribit"), ("BTC", "okx")]
    with pytest.raises(UsageError, match="MOD is not in the watchlist: say where it is listed, for example --venue cboe"):
        plan("MOD")


def test_any_symbol_is_requested_on_a_named_venue() -> None:
    assert asks(plan("MOD", venues=("cboe",))) == [("MOD", "cboe")]
    assert asks(plan("SOL", venues=("okx",))) == [("SOL", "okx")], "watched elsewhere, but asked here"


def test_of_several_named_venues_those_that_watch_an_underlying_are_requested() -> None:
    assert asks(plan("SPX", "SOL", "NEW", venues=("cboe", "deribit"))) == [
        ("SPX", "cboe"),
        ("SOL", "deribit"),
        ("NEW", "cboe"),
        ("NEW", "deribit"),
    ]


@pytest.mark.parametrize("written", ["spx", "_SPX", "_spx", "SPX"])
def test_an_index_may_be_written_as_its_venue_does(written: str) -> None:
    assert asks(plan(written)) == [("SPX", "cboe")]


def test_what_is_named_twice_is_requested_once() -> None:
    assert asks(plan("BTC", "btc", "BTC", venues=("deribit", "deribit"))) == [("BTC", "deribit")]


def test_underlyings_that_share_a_book_fetch_it_once() -> None:
    books = plan("BTC", "ETH", "SOL", venues=("deribit",)).books()
    assert [book.name for book in books["deribit"]] == ["BTC", "USDC", "ETH"]
    assert set(sources_of(plan(), WATCHED)) == {"cboe", "deribit", "okx"}


def test_an_unknown_venue_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"No venue is called 'nyse'. Known venues: .*cboe, deribit"):
        plan("SPX", venues=("nyse",))


def test_a_run_is_named_after_its_start_and_no_two_are_alike() -> None:
    first, second = plan("SPX").run_id, plan("SPX").run_id
    assert first.startswith("20260302T220507Z-") and second.startswith("20260302T220507Z-")
    assert first != second
