"""Bybit, OKX and Binance on recorded bytes: whole chains, and the traps that recordings/README tells of."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from models.chain import ParsedChain, RawPayload
from models.errors import UnknownSymbol, VenueError, VenueRefused
from models.market.calendar import TradingCalendar
from tests.flows.sources import crypto_captures, test_binance, test_bybit, test_okx
from tests.flows.sources.conftest import recorded


@pytest.fixture(scope="module")
def bybit(recordings: Path) -> list[RawPayload]:
    return crypto_captures.bybit(recordings)


@pytest.fixture(scope="module")
def okx(recordings: Path) -> list[RawPayload]:
    return crypto_captures.okx(recordings)


@pytest.fixture(scope="module")
def binance(recordings: Path) -> list[RawPayload]:
    return crypto_captures.binance(recordings)


@pytest.fixture(scope="module")
def okx_chain(okx: list[RawPayload], calendar: TradingCalendar) -> ParsedChain:
    return test_okx.parse(okx, calendar)


def sent(replies: list[RawPayload], name: str, book: str = "BTC") -> Any:
    return orjson.loads(next(reply.body for reply in replies if (reply.book, reply.name) == (book, name)))


def total(rows: pl.DataFrame) -> float:
    return math.fsum(rows["oi_base"].drop_nulls())


def test_bybit_is_read_whole(bybit: list[RawPayload], calendar: TradingCalendar) -> None:
    chain = test_bybit.parse(bybit, calendar)
    assert (chain.quotes.height, chain.rejected.height, chain.unknown_fields) == (1928, 0, {})
    assert total(chain.quotes) == 477_122.0
    tickers = sent(bybit, "tickers")["result"]["list"]
    assert chain.quotes["instrument"].to_list() == [row["symbol"] for row in tickers], "in the order of the tickers"
    assert chain.quotes["oi_base"].to_list() == [float(row["openInterest"]) for row in tickers]
    books = chain.quotes.group_by("book").agg(pl.len(), pl.col("oi_base").sum().round(2)).sort("book")
    assert books.rows() == [("USDC", 964, 166_992.48), ("USDT", 964, 310_129.52)]
    assert chain.quotes.select("expires_at").n_unique() == 12
    assert (chain.spot, chain.venue_instant) == (71_048.7, datetime(2026, 3, 13, 19, 0, 15, 531_000, tzinfo=UTC))
    assert chain.warnings == (
        "3 instruments are listed for later and are no contracts yet, in `instruments-1` of book BTC",
        "1 instruments are listed for later and are no contracts yet, in `instruments-2` of book BTC",
        test_bybit.SIDES,
    ), "the four PreLaunch ones have no ticker"
    assert chain.quotes.filter(pl.col("bid") == 0).is_empty() and chain.quotes["bid"].null_count() > 48, "bids below the tick are none"
    assert chain.quotes["venue_iv"].max() == 1.7117, "asks at the cap of 5 play no part"


def test_okx_is_read_whole(okx: list[RawPayload], okx_chain: ParsedChain) -> None:
    assert (okx_chain.quotes.height, okx_chain.rejected.height, okx_chain.unknown_fields) == (1478, 0, {})
    assert total(okx_chain.quotes) == 477_122.0
    for family in ("BTC-USD", "BTC-USD_UM"):
        coins = {row["instId"]: float(row["oiCcy"]) for row in sent(okx, "open-interest", family)["data"]}
        ours = okx_chain.quotes.filter(pl.col("book") == family)
        assert dict(ours.drop_nulls("oi_base").select("instrument", "oi_base").iter_rows()) == coins
    assert okx_chain.quotes["multiplier"].unique().to_list() == [0.01]
    assert okx_chain.spot == 71_048.7
    newest = max(int(row["ts"]) for family in ("BTC-USD", "BTC-USD_UM") for row in sent(okx, "tickers", family)["data"])
    assert okx_chain.venue_instant.timestamp() * 1000 == newest
    waiting = "2 instruments are listed for later and are no contracts yet"
    assert [note.partition(",")[0] for note in okx_chain.warnings] == [waiting, waiting, test_okx.PREMIUMS]


def test_okx_contracts_without_a_fitted_surface_keep_their_open_interest(okx_chain: ParsedChain) -> None:
    unfitted = okx_chain.quotes.filter(pl.col("venue_iv").is_null())
    assert unfitted.group_by("book").len().sort("book").rows() == [("BTC-USD", 7), ("BTC-USD_UM", 7)]
    assert round(total(unfitted), 2) == 6881.54
    assert unfitted["venue_forward"].null_count() == 14
    assert unfitted["ask"].null_count() == 0, "their premiums have the forward of the expiry, so a volatility can be solved"


def test_okx_open_interest_that_is_left_out_is_unknown(okx: list[RawPayload], okx_chain: ParsedChain) -> None:
    unknown, none = okx_chain.quotes.filter(pl.col("oi_base").is_null()), okx_chain.quotes.filter(pl.col("oi_base") == 0)
    assert unknown.height == 964 - 900 + 514 - 484
    assert none.height > 50, "as many have a row that says 0"
    suspended = [row["instId"] for row in sent(okx, "instruments", "BTC-USD")["data"] if row["state"] == "suspend"]
    assert len(suspended) == 1 and suspended[0] in set(okx_chain.quotes["instrument"])


def test_okx_gamma_is_the_black_scholes_one(okx: list[RawPayload], okx_chain: ParsedChain) -> None:
    rows = {row["instId"]: row for family in ("BTC-USD", "BTC-USD_UM") for row in sent(okx, "opt-summary", family)["data"]}
    priced = okx_chain.quotes.drop_nulls("venue_gamma")
    assert priced["venue_gamma"].to_list() == [float(rows[name]["gammaBS"]) for name in priced["instrument"]]
    # gamma = F·gammaBS − 2·delta is another quantity, and sometimes negative
    for row in rows.values():
        other = float(row["fwdPx"]) * float(row["gammaBS"]) - 2 * float(row["delta"])
        assert float(row["gamma"]) == pytest.approx(other, abs=1e-9)


def test_okx_premiums_in_coin_and_in_usd_tell_one_price(okx_chain: ParsedChain) -> None:
    marks = okx_chain.quotes.drop_nulls("venue_forward").select("book", "strike", "option_type", "expires_at", "mark")
    both = marks.filter(pl.col("book") == "BTC-USD").join(
        marks.filter(pl.col("book") == "BTC-USD_UM"), on=["strike", "option_type", "expires_at"]
    )
    assert both.height > 490
    assert (both["mark"] - both["mark_right"]).abs().to_list() == pytest.approx([0] * both.height, abs=1e-8)


def test_okx_sizes_of_eth(recordings: Path, calendar: TradingCalendar) -> None:
    chain = test_okx.parse(crypto_captures.okx(recordings, "ETH"), calendar, "ETH")
    assert (chain.quotes.height, total(chain.quotes), chain.spot) == (528, 2_202_216.0, 1776.2175)
    sizes = chain.quotes.group_by("book").agg(pl.col("multiplier").unique().first()).sort("book")
    assert sizes.rows() == [("ETH-USD", 0.1), ("ETH-USD_UM", 0.01)]


def test_binance_is_read_whole(binance: list[RawPayload], calendar: TradingCalendar) -> None:
    chain = test_binance.parse(binance, calendar)
    assert (chain.quotes.height, chain.rejected.height, chain.warnings, chain.unknown_fields) == (226, 0, (), {})
    assert round(total(chain.quotes), 2) == 10_494.64
    counts = {row["symbol"]: float(row["sumOpenInterest"]) for reply in binance if "open" in reply.name for row in orjson.loads(reply.body)}
    known = chain.quotes.drop_nulls("oi_base")
    assert dict(known.select("instrument", "oi_base").iter_rows()) == counts
    unlisted = chain.quotes.filter(pl.col("oi_base").is_null())
    assert (unlisted.height, unlisted["mark"].null_count()) == (6, 0), "just listed: marked, and not held yet"
    assert (chain.spot, chain.venue_instant) == (29_506.39549451, datetime(2023, 10, 20, 12, 59, 59, tzinfo=UTC))
    assert chain.quotes["venue_forward"].null_count() == 226
    assert chain.quotes["venue_iv"].null_count() == 0


ERRORS = [
    ("bybit", "2026-03-13", "error_10001.json.gz", 200, "tickers", UnknownSymbol),
    ("okx", "2026-03-13", "error_51001.json.gz", 200, "instruments", UnknownSymbol),
    ("okx", "2026-03-13", "error_50014.json.gz", 400, "open-interest", VenueRefused),
    ("binance", "2023-10-20T12", "error_1121.json.gz", 400, "index", UnknownSymbol),
    ("binance", "2023-10-20T12", "error_1102.json.gz", 400, "open-interest-231027", VenueRefused),
]


@pytest.mark.parametrize(("venue", "capture", "file", "status", "name", "error"), ERRORS)
def test_recorded_errors(recordings: Path, venue: str, capture: str, file: str, status: int, name: str, error: type[VenueError]) -> None:
    sources = {"bybit": test_bybit.BYBIT, "okx": test_okx.OKX, "binance": test_binance.BINANCE}
    assert type(sources[venue].judge(recorded(recordings, venue, capture, file, "BTC", name, status))) is error


def test_recorded_examples_of_the_documentation(recordings: Path, calendar: TradingCalendar) -> None:
    """Rows of 2022 and 2023: without a surface for the far one, an ask at the cap, a day of one digit."""
    examples = orjson.loads((recordings / "bybit" / "2026-03-13" / "examples.json").read_bytes())
    ticker, instrument = (example["body"]["result"]["list"] for example in examples[:2])
    chain = test_bybit.btc(instrument, ticker, calendar)
    assert chain.quotes.select("instrument", "bid", "ask", "oi_base", "venue_iv").rows() == [
        ("BTC-30DEC22-18000-C", None, 435, 6.3, 0.7567)
    ]
    ether = test_bybit.parse(
        [test_bybit.reply("instruments-1", instrument, coin="ETH"), test_bybit.reply("tickers", [], coin="ETH")], calendar, "ETH"
    )
    assert ether.quotes.select("instrument", "strike", "book", "expires_at").rows() == [
        ("ETH-3JAN23-1250-P", 1250.0, "USDC", datetime(2023, 1, 3, 8)),
    ]  # fmt: skip
