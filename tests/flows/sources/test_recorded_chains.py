"""Both sources on recorded bytes: whole chains, and the traps that recordings/README tells of."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import polars as pl
import pytest

from models.chain import ParsedChain, RawPayload
from models.errors import UnknownSymbol, VenueBusy, VenueError, VenueRefused
from models.market.calendar import TradingCalendar
from tests.flows.sources.conftest import recorded
from tests.flows.sources.test_cboe import CBOE
from tests.flows.sources.test_cboe import parse as parse_cboe
from tests.flows.sources.test_deribit import DERIBIT, reply
from tests.flows.sources.test_deribit import parse as parse_deribit


def recorded_chain(recordings: Path, capture: str, underlying: str, calendar: TradingCalendar) -> ParsedChain:
    body = f"{'_SPX' if underlying == 'SPX' else underlying}.json.gz"
    reply = recorded(recordings, "cboe", capture, body, underlying, "chain")
    return parse_cboe(reply.body, calendar, underlying)


@pytest.mark.parametrize(
    ("capture", "underlying", "contracts", "open_interest"),
    [
        ("2026-07-22", "SPX", 29_364, 21_381_104),
        ("2026-07-31", "SPX", 29_082, 22_821_473),
        ("2026-08-03", "SPY", 13_958, 17_865_618),
        ("2026-07-28", "MOD", 924, 26_152),
        ("2026-07-22", "SPXC", 260, 2_430),
    ],
)
def test_recorded_chains_are_read_whole(
    recordings: Path, calendar: TradingCalendar, capture: str, underlying: str, contracts: int, open_interest: int
) -> None:
    chain = recorded_chain(recordings, capture, underlying, calendar)
    assert (chain.quotes.height, chain.rejected.height, chain.warnings, chain.unknown_fields) == (contracts, 0, (), {})
    assert chain.quotes["oi_base"].sum() == open_interest * 100
    assert not chain.quotes["is_adjusted"].any()


def test_recorded_evening_pull_is_no_new_session(recordings: Path, calendar: TradingCalendar) -> None:
    first, evening = (recorded_chain(recordings, capture, "SPX", calendar) for capture in ("2026-07-22", "2026-07-23"))
    assert evening.venue_instant == datetime(2026, 7, 23, 1, 15, 30, tzinfo=UTC)
    assert first.session_date == evening.session_date == date(2026, 7, 22)
    assert first.spot == evening.spot == 7498.96
    assert first.quotes["oi_base"].equals(evening.quotes["oi_base"])
    assert not first.quotes["bid"].equals(evening.quotes["bid"])


def test_recorded_symbols_of_one_capture_have_different_clocks(recordings: Path, calendar: TradingCalendar) -> None:
    spy, mod, spxc = (recorded_chain(recordings, "2026-07-22", symbol, calendar) for symbol in ("SPY", "MOD", "SPXC"))
    assert (spy.spot, spy.spot_current, spy.spot_source) == (747.41, 745.6, "close"), "after hours"
    assert (mod.spot_source, mod.session_date) == ("current_price", date(2026, 7, 22)), "hours old: still inside its session"
    assert (spxc.session_date, spxc.spot, spxc.spot_source) == (date(2026, 7, 21), 217.02, "close"), "a session behind"
    assert set(spxc.quotes["root"]) == {"SPXC"}


def test_recorded_third_friday_has_two_expiries(recordings: Path, calendar: TradingCalendar) -> None:
    quotes = recorded_chain(recordings, "2026-08-03", "SPX", calendar).quotes.filter(pl.col("expiry") == date(2026, 8, 21))
    instants = quotes.group_by("root").agg(pl.col("expires_at").unique().sort()).sort("root").rows()
    assert instants == [("SPX", [datetime(2026, 8, 21, 13, 30)]), ("SPXW", [datetime(2026, 8, 21, 20)])]
    assert quotes.select("strike", "option_type").is_duplicated().any()


def test_recorded_zeros_are_missing(recordings: Path, calendar: TradingCalendar) -> None:
    quotes = recorded_chain(recordings, "2026-07-31", "SPX", calendar).quotes
    share = {name: quotes[name].null_count() / quotes.height for name in ("venue_gamma", "venue_iv", "oi_base", "venue_delta")}
    assert 0.23 < share["venue_gamma"] < 0.26
    assert 0.03 < share["venue_iv"] < 0.08
    assert (share["oi_base"], share["venue_delta"]) == (0, 0)
    assert quotes.filter(pl.col("expiry") == date(2026, 7, 31)).height == 958, "expired that day, still listed"


def test_recorded_unknown_symbols(recordings: Path, calendar: TradingCalendar) -> None:
    reply = recorded(recordings, "cboe", "2026-07-22", "access_denied.xml.gz", "NOTAREALSYM", "chain", status=403)
    with pytest.raises(UnknownSymbol):
        CBOE.parse([reply], "NOTAREALSYM", calendar)


CAPTURE = "2026-03-13"
FILES = {
    "instruments": "instruments_BTC_option.json.gz",
    "book-summary": "book_summary_BTC_option.json.gz",
    "index-btc_usd": "index_price_btc_usd.json.gz",
}


@pytest.fixture
def btc_replies(recordings: Path) -> list[RawPayload]:
    inverse = [recorded(recordings, "deribit", CAPTURE, file, "BTC", name) for name, file in FILES.items()]
    empty = [recorded(recordings, "deribit", CAPTURE, "empty.json.gz", "USDC", name) for name in ("instruments", "book-summary")]
    return [*inverse, *empty]


def test_the_recorded_chain_is_read_whole(btc_replies: list[RawPayload], calendar: TradingCalendar) -> None:
    chain = parse_deribit(btc_replies, "BTC", calendar)
    sent = orjson.loads(btc_replies[1].body)["result"]
    assert (chain.quotes.height, chain.rejected.height, chain.unknown_fields) == (964, 0, {})
    assert chain.warnings == ("no delivery prices of btc_usd came with the chain",), "that reply was not recorded"
    assert chain.quotes["instrument"].to_list() == [row["instrument_name"] for row in sent]
    assert math.fsum(chain.quotes["oi_base"]) == 477_122.0
    assert chain.quotes["oi_base"].to_list() == [row["open_interest"] for row in sent]
    assert chain.quotes["option_type"].value_counts().sort("option_type").rows() == [("C", 482), ("P", 482)]
    assert chain.quotes["expires_at"].n_unique() == 12
    assert (chain.quotes["bid"].null_count(), chain.quotes.filter(pl.col("oi_base") == 0).height) == (48, 128)
    assert (chain.quotes["venue_iv"].min(), chain.quotes["venue_iv"].max()) == (0.3269, 1.7117)
    assert chain.spot == 71_048.7
    newest = max(row["creation_timestamp"] for row in sent)
    assert chain.venue_instant.timestamp() * 1000 == newest


def test_recorded_premiums_use_their_own_forward(btc_replies: list[RawPayload], calendar: TradingCalendar) -> None:
    chain = parse_deribit(btc_replies, "BTC", calendar)
    sent = orjson.loads(btc_replies[1].body)["result"]
    assert chain.quotes["mark"].to_list() == [row["mark_price"] * row["underlying_price"] for row in sent]
    assert chain.quotes.select("expires_at", "venue_forward").unique().height == 37, "of 12 expiries: it differs within one"


def test_names_and_fields_of_the_recorded_chain_agree(btc_replies: list[RawPayload], calendar: TradingCalendar) -> None:
    nameless = [reply("BTC", "instruments", []), *btc_replies[1:]]
    terms = ("instrument", "option_type", "strike", "expires_at")
    assert (
        parse_deribit(nameless, "BTC", calendar)
        .quotes.select(terms)
        .equals(parse_deribit(btc_replies, "BTC", calendar).quotes.select(terms))
    )


@pytest.mark.parametrize(
    ("file", "status", "error"),
    [
        ("error_invalid_currency.json.gz", 400, VenueRefused),
        ("error_method.json.gz", 400, VenueRefused),
        ("error_10028.json.gz", 429, VenueBusy),
    ],
)
def test_recorded_errors(recordings: Path, file: str, status: int, error: type[VenueError]) -> None:
    assert type(DERIBIT.judge(recorded(recordings, "deribit", CAPTURE, file, "BTC", "book-summary", status))) is error
