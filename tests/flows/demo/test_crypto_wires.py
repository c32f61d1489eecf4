"""Bybit, OKX and Binance in the venue server: the formats of reference/venues.md, and one market with the Deribit side."""

from __future__ import annotations

import gzip
import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.demo.market.coins import PAIRS, contracts
from flows.demo.market.market import Market
from flows.demo.venues.okx import SIZES
from flows.demo.venues.server import WIRES

# Names as reference/venues.md states them (§2.4, §3.4, §4.5).
NAMES = {
    "bybit": r"(?P<base>[A-Z0-9]+)-(?P<d>\d{1,2})(?P<mon>[A-Z]{3})(?P<yy>\d{2})-(?P<k>\d+(?:\.\d+)?)-(?P<cp>[CP])(?:-(?P<settle>USDT|USDC))?",
    "okx": r"(?P<fam>[A-Z0-9]+-USD(?:_UM)?)-(?P<yymmdd>\d{6})-(?P<k>\d+(?:\.\d+)?)-(?P<cp>[CP])",
    "binance": r"(?P<base>[A-Z0-9]+)-(?P<yymmdd>\d{6})-(?P<k>\d+(?:\.\d+)?)-(?P<cp>[CP])",
}
OPTION = {"instType": "OPTION"}
CHAINS: dict[str, list[tuple[str, dict[str, str]]]] = {
    "bybit": [("/v5/market/tickers", {"category": "option", "baseCoin": "SOL"})],
    "okx": [("/api/v5/public/open-interest", {**OPTION, "instFamily": "SOL-USD_UM"})],
    "binance": [("/eapi/v1/mark", {}), ("/eapi/v1/ticker", {})],
}


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(session=3)


def ask(market: Market, venue: str, path: str, **query: str) -> tuple[int, Any]:
    reply = WIRES[venue].answer(market, path, query)
    return reply.status, json.loads(reply.body)


def rows_of(market: Market, venue: str, path: str, **query: str) -> list[dict[str, Any]]:
    return WIRES[venue].rows(ask(market, venue, path, **query)[1]) or []


def shapes(rows: Iterable[dict[str, Any]]) -> dict[str, set[str]]:
    return {name: {type(row[name]).__name__ for row in rows} for name in next(iter(rows))}


def read(recordings: Path, path: str) -> Any:
    return json.loads(gzip.decompress((recordings / path).read_bytes()))


@pytest.mark.parametrize("venue", NAMES)
def test_names_are_written_as_the_venue_writes_them(market: Market, venue: str) -> None:
    for path, query in CHAINS[venue]:
        rows = rows_of(market, venue, path, **query)
        names = [row[WIRES[venue].instrument] for row in rows]
        assert names and all(re.fullmatch(NAMES[venue], name) for name in names)
        assert len(set(names)) == len(names)
        assert names != sorted(names), "in no order"
        assert {WIRES[venue].option_type(row) for row in rows} == {"C", "P"}


@pytest.mark.parametrize("coin", PAIRS)
def test_open_interest_is_that_of_deribit_split_to_the_last_lot(market: Market, coin: str) -> None:
    total = math.fsum(contract.open_interest for contract in contracts(market.crypto(PAIRS[coin])))
    tickers = rows_of(market, "bybit", "/v5/market/tickers", category="option", baseCoin=coin)
    assert math.fsum(float(row["openInterest"]) for row in tickers) == pytest.approx(total, abs=1e-4)
    families = [family for family in SIZES if family.startswith(f"{coin}-")]
    interest = [row for family in families for row in rows_of(market, "okx", "/api/v5/public/open-interest", **OPTION, instFamily=family)]
    assert not families or math.fsum(float(row["oiCcy"]) for row in interest) == pytest.approx(total, abs=1e-4)
    for row in interest:
        size = SIZES[row["instId"].rsplit("-", 3)[0]]
        assert float(row["oi"]) * size == pytest.approx(float(row["oiCcy"]), abs=1e-6)
    days = {f"{contract.day:%y%m%d}" for contract in contracts(market.crypto(PAIRS[coin]))}
    counts = [row for day in days for row in rows_of(market, "binance", "/eapi/v1/openInterest", underlyingAsset=coin, expiration=day)]
    index = market.crypto(PAIRS[coin]).index
    assert math.fsum(float(row["sumOpenInterestUsd"]) / index for row in counts) == pytest.approx(total, rel=1e-9)


def test_rows_are_built_as_recorded_ones(market: Market, recordings: Path) -> None:
    option = {"category": "option", "baseCoin": "BTC"}
    for path, query, file in (
        ("/v5/market/tickers", option, "tickers_BTC"),
        ("/v5/market/instruments-info", {**option, "limit": "1000"}, "instruments_BTC_page1"),
    ):
        recorded = read(recordings, f"bybit/2026-03-13/{file}.json.gz")
        status, ours = ask(market, "bybit", path, **query)
        assert status == 200 and set(ours) == set(recorded)
        assert shapes(ours["result"]["list"]) == shapes(recorded["result"]["list"])
    for family, file in (("BTC-USD", "btcusd"), ("ETH-USD_UM", "ethusd_um")):
        for name in ("open-interest", "opt-summary", "mark-price"):
            rows = rows_of(market, "okx", f"/api/v5/public/{name}", **OPTION, instFamily=family)
            assert shapes(rows) == shapes(read(recordings, f"okx/2026-03-13/{name.replace('-', '_')}_{file}.json.gz")["data"])
        rows = rows_of(market, "okx", "/api/v5/market/tickers", **OPTION, instFamily=family)
        assert shapes(rows) == shapes(read(recordings, f"okx/2026-03-13/tickers_{file}.json.gz")["data"])
    for name in ("mark", "ticker"):
        recorded = read(recordings, f"binance/2023-10-20T12/{name}.json.gz")
        assert shapes(rows_of(market, "binance", f"/eapi/v1/{name}")) == shapes(recorded)
    recorded = read(recordings, "binance/2023-10-20T12/openInterest_BTC_231027.json.gz")
    rows = rows_of(market, "binance", "/eapi/v1/openInterest", underlyingAsset="BTC", expiration="261120")
    assert shapes(rows) == shapes(recorded)


def test_bybit_pages_hold_every_instrument_once(market: Market) -> None:
    rows: Counter[str] = Counter()
    cursor = ""
    while True:
        _, page = ask(market, "bybit", "/v5/market/instruments-info", category="option", baseCoin="BTC", limit="500", cursor=cursor)
        rows.update(row["symbol"] for row in page["result"]["list"])
        cursor = page["result"]["nextPageCursor"]
        if not cursor:
            break
    quoted = {row["symbol"] for row in rows_of(market, "bybit", "/v5/market/tickers", category="option", baseCoin="BTC")}
    assert set(rows.values()) == {1}
    assert len(set(rows) - quoted) == 4, "announced, and not trading yet"


def test_okx_replies_leave_out_what_they_do_not_know(market: Market) -> None:
    def names(path: str) -> set[str]:
        return {row["instId"] for row in rows_of(market, "okx", path, **OPTION, instFamily="BTC-USD")}

    listed = rows_of(market, "okx", "/api/v5/public/instruments", **OPTION, instFamily="BTC-USD")
    states = Counter(row["state"] for row in listed)
    assert (states["preopen"], states["suspend"]) == (2, 1)
    marked = names("/api/v5/public/mark-price")
    assert len(marked) == len(listed) - 2
    assert 0 < len(marked - names("/api/v5/public/opt-summary")) < 0.03 * len(marked)
    assert 0 < len(marked - names("/api/v5/public/open-interest")) < 0.4 * len(marked)


def test_okx_has_two_sets_of_greeks(market: Market) -> None:
    marks = {
        row["instId"]: float(row["markPx"]) for row in rows_of(market, "okx", "/api/v5/public/mark-price", **OPTION, instFamily="BTC-USD")
    }
    for row in rows_of(market, "okx", "/api/v5/public/opt-summary", instFamily="BTC-USD"):
        forward, delta = float(row["fwdPx"]), float(row["delta"])
        assert delta == pytest.approx(float(row["deltaBS"]) - marks[row["instId"]], abs=1e-9)
        assert float(row["gamma"]) == pytest.approx(forward * float(row["gammaBS"]) - 2 * delta, abs=1e-6)


def test_binance_prices_are_per_contract(market: Market) -> None:
    listed = {row["symbol"]: row for row in rows_of(market, "binance", "/eapi/v1/exchangeInfo")}
    marks = {row["symbol"]: float(row["markPrice"]) for row in rows_of(market, "binance", "/eapi/v1/mark")}
    call = next(one for one in contracts(market.crypto("XRP_USDC")) if one.side == "C")
    name = next(
        name for name, row in listed.items() if name.startswith("XRP") and float(row["strikePrice"]) == call.strike and name.endswith("C")
    )
    assert listed[name]["unit"] == 100 and marks[name] == pytest.approx(100 * call.mark, abs=1e-4)
    assert {row.get("underlyingType") for row in listed.values()} == {"CRYPTO", "EQUITY"}
    assert datetime.fromtimestamp(listed[name]["expiryDate"] / 1000, UTC).hour == 8


ERRORS = [
    ("bybit", "/v5/market/tickers", {"category": "option", "baseCoin": "HYPE"}, 200, "retCode", 10001),
    ("bybit", "/v5/market/tickers", {"category": "option"}, 200, "retCode", 10001),
    ("bybit", "/v5/market/tickers", {"category": "spot", "baseCoin": "BTC"}, 200, "retCode", 10001),
    ("bybit", "/v5/market/instruments-info", {"category": "option", "limit": "5000"}, 200, "retCode", 10001),
    ("bybit", "/v5/market/nothing", {}, 404, "retCode", 10017),
    ("okx", "/api/v5/public/instruments", {"instType": "OPTION", "instFamily": "HYPE-USD_UM"}, 200, "code", "51001"),
    ("okx", "/api/v5/public/open-interest", {"instType": "OPTION"}, 400, "code", "50014"),
    ("okx", "/api/v5/public/open-interest", {"instType": "SWAP", "instFamily": "BTC-USD"}, 400, "code", "51000"),
    ("okx", "/api/v5/market/index-tickers", {"instId": "HYPE-USD"}, 200, "code", "51014"),
    ("binance", "/eapi/v1/index", {"underlying": "HYPEUSDT"}, 400, "code", -1121),
    ("binance", "/eapi/v1/openInterest", {"underlyingAsset": "BTC"}, 400, "code", -1102),
    ("binance", "/eapi/v1/openInterest", {"underlyingAsset": "BTC", "expiration": "soon"}, 400, "code", -1128),
    ("binance", "/eapi/v1/mark", {"symbol": "BTC-991231-1-C"}, 400, "code", -1121),
]


@pytest.mark.parametrize(("venue", "path", "query", "status", "field", "code"), ERRORS)
def test_errors(market: Market, venue: str, path: str, query: dict[str, str], status: int, field: str, code: Any) -> None:
    rows, document = ask(market, venue, path, **query)
    assert (rows, document[field]) == (status, code)


def test_binance_counts_weights(market: Market) -> None:
    requested: list[tuple[str, dict[str, str]]] = [("/eapi/v1/exchangeInfo", {}), ("/eapi/v1/ticker", {}), ("/eapi/v1/openInterest", {})]
    assert WIRES["binance"].counters([*requested, ("/eapi/v1/ticker", {"symbol": "x"})]) == {"X-MBX-USED-WEIGHT-1M": "42"}
    assert WIRES["deribit"].counters(requested) == {}
