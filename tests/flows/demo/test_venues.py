"""The venue server speaks the formats of reference/venues.md, and its market is plausible and the same everywhere."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from scipy.special import ndtr

from flows.demo.market.market import Market, Series
from flows.demo.venues import Double, serve
from flows.demo.venues.server import WIRES
from tests.conftest import CHECKOUT

CHAIN = "/api/global/delayed_quotes/options/{}.json"
METHOD = "/api/v2/public/{}"
BOOK, INSTRUMENTS = "get_book_summary_by_currency", "get_instruments"
# Names as reference/venues.md states them (§5.4, §1.4).
OSI = re.compile(r"(?P<root>[A-Z][A-Z0-9.]{0,5}?)\s*(?P<ymd>\d{6})(?P<cp>[CP])(?P<k>\d{8})")
DERIBIT = re.compile(
    r"(?P<base>[A-Z0-9]+)(?:_(?P<quote>USDC|USDT))?-(?P<d>\d{1,2})(?P<mon>[A-Z]{3})(?P<yy>\d{2})-(?P<k>\d+(?:[dD]\d+)?)-(?P<cp>[CP])"
)


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(session=3)


@pytest.fixture(scope="module")
def double() -> Iterator[Double]:
    with serve(session=3) as running:
        yield running


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=5) as client:
        yield client


@lru_cache(maxsize=8)
def cboe(market: Market, symbol: str) -> Any:
    return json.loads(WIRES["cboe"].answer(market, CHAIN.format(symbol), {}).body)


def deribit(market: Market, method: str, **query: str) -> Any:
    return json.loads(WIRES["deribit"].answer(market, METHOD.format(method), query).body)


def book(market: Market, currency: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = deribit(market, BOOK, currency=currency, kind="option")["result"]
    return rows


def max_pain(series: Series) -> float:
    strikes = series.expiry.strikes
    calls, puts = np.maximum(strikes[:, None] - strikes, 0), np.maximum(strikes - strikes[:, None], 0)
    return float(strikes[np.argmin(calls @ series.call_oi + puts @ series.put_oi)])


# Wire formats


def test_cboe_envelope_and_names(market: Market) -> None:
    for symbol, inner, roots in (("_SPX", "^SPX", {"SPX", "SPXW"}), ("SPY", "SPY", {"SPY", "SPY1"})):
        document = cboe(market, symbol)
        data = document["data"]
        assert (document["symbol"], data["symbol"]) == (symbol, inner)
        assert re.fullmatch(r"2026-11-18 22:40:\d\d", document["timestamp"])  # UTC, no zone
        assert data["last_trade_time"] == ("2026-11-18T16:14:59" if symbol == "_SPX" else "2026-11-18T15:59:59")  # New York, no zone
        names = [OSI.fullmatch(row["option"]) for row in data["options"]]
        assert all(names) and {name["root"] for name in names if name} == roots
        assert len({row["option"] for row in data["options"]}) == len(names)
        assert {type(row["open_interest"]) for row in data["options"]} == {type(row["bid_size"]) for row in data["options"]} == {float}
        assert {type(data["bid_size"]), type(data["volume"])} == {int}
        assert {type(row["last_trade_time"]) for row in data["options"]} == {str, type(None)}


def test_cboe_says_missing_with_zeros(market: Market) -> None:
    rows = cboe(market, "_SPX")["data"]["options"]
    assert {name for row in rows for name, value in row.items() if value is None} == {"last_trade_time"}
    for name, least, most in (("iv", 0.03, 0.15), ("gamma", 0.15, 0.4), ("bid", 0.03, 0.15)):
        assert least < np.mean([row[name] == 0.0 for row in rows]) < most, name
    assert all(round(row["gamma"], 4) == row["gamma"] for row in rows)
    assert any(len(str(row["prev_day_close"])) > 10 for row in rows)  # 32-bit noise


def test_third_fridays_list_two_roots_at_the_same_strikes(market: Market) -> None:
    names = {row["option"] for row in cboe(market, "_SPX")["data"]["options"]}
    assert {"SPX261120C07500000", "SPXW261120C07500000"} <= names


def test_series_linger_after_their_settlement() -> None:
    chain = Market(session=5).us("_SPX")  # a third Friday, after the close
    settled = [series for series in chain.series if series.is_settled]
    assert [series.expiry.root for series in settled] == ["SPX", "SPXW"]
    assert all(series.call_oi.sum() > 0 for series in settled)
    assert not any(series.expiry.day == date(2026, 11, 20) for series in Market(session=6).us("_SPX").series)


def test_unknown_symbols_get_403_with_xml(double: Double, client: httpx.Client) -> None:
    for symbol in ("SPX", "NOTAREALSYM"):
        reply = client.get(double.urls["cboe"] + CHAIN.format(symbol))
        assert (reply.status_code, reply.headers["content-type"]) == (403, "application/xml")
        assert "<Code>AccessDenied</Code>" in reply.text


def test_deribit_books(market: Market) -> None:
    for currency, bases in (("BTC", {"BTC"}), ("ETH", {"ETH"}), ("USDC", {"BTC", "ETH", "SOL", "XRP", "HYPE"})):
        envelope = deribit(market, BOOK, currency=currency, kind="option")
        assert envelope["jsonrpc"] == "2.0" and envelope["testnet"] is False
        assert envelope["usOut"] - envelope["usIn"] == envelope["usDiff"]
        names = [DERIBIT.fullmatch(row["instrument_name"]) for row in envelope["result"]]
        assert all(names) and {name["base"] for name in names if name} == bases
        assert all(("volume_notional" in row) == (currency == "USDC") for row in envelope["result"])
        listed = deribit(market, INSTRUMENTS, currency=currency, kind="option", expired="false")["result"]
        assert {row["instrument_name"] for row in listed} == {row["instrument_name"] for row in envelope["result"]}
        for row in listed:
            name = DERIBIT.fullmatch(row["instrument_name"])
            assert name is not None and float(name["k"].replace("d", ".")) == row["strike"]
            expires = datetime.fromtimestamp(row["expiration_timestamp"] / 1000, UTC)
            assert (expires.hour, expires.day) == (8, int(name["d"]))
    assert any("d" in row["instrument_name"] for row in book(market, "USDC"))
    assert deribit(market, BOOK, currency="SOL", kind="option")["result"] == []


def test_deribit_rows_follow_the_listing_policy() -> None:
    """The ladder observed on 2026-09-21 (venues §1.5), after 08:00."""
    series = Market(now=datetime(2026, 9, 21, 12, tzinfo=UTC)).crypto("BTC").series
    expiries = [(each.expiry.day.month, each.expiry.day.day) for each in series]
    assert expiries == [(9, 22), (9, 23), (9, 24), (9, 25), (10, 2), (10, 9), (10, 30), (11, 27), (12, 25), (3, 26), (6, 25)]


def test_deribit_marks_are_black_76_on_the_rows_own_forward(market: Market) -> None:
    for row in book(market, "BTC"):
        name = DERIBIT.fullmatch(row["instrument_name"])
        assert name is not None
        expires = datetime.strptime(f"{name['d']}{name['mon']}{name['yy']}", "%d%b%y").replace(hour=8, tzinfo=UTC)
        made = market.crypto("BTC").now.timestamp()
        assert 0 <= made * 1000 - row["creation_timestamp"] <= 1000
        deviation = row["mark_iv"] / 100 * ((expires.timestamp() - made) / 31_536_000) ** 0.5
        d1 = np.log(row["underlying_price"] / float(name["k"])) / deviation + deviation / 2
        sign = 1 if name["cp"] == "C" else -1
        coins = sign * (ndtr(sign * d1) - float(name["k"]) / row["underlying_price"] * ndtr(sign * (d1 - deviation)))
        assert row["mark_price"] == pytest.approx(coins, abs=2e-7)


def test_deribit_other_methods(market: Market) -> None:
    index = deribit(market, "get_index_price", index_name="sol_usdc")["result"]
    assert index["index_price"] == index["estimated_delivery_price"] == market.crypto("SOL_USDC").index
    prices = deribit(market, "get_delivery_prices", index_name="btc_usd", count="3", offset="1")["result"]
    assert [row["date"] for row in prices["data"]] == ["2026-11-17", "2026-11-16", "2026-11-15"] and prices["records_total"] > 300
    assert deribit(market, "get_expirations", currency="any", kind="option")["result"]["option"][:3] == ["19NOV26", "20NOV26", "21NOV26"]
    assert set(deribit(market, "get_expirations", currency="BTC", kind="any")["result"]["btc"]) == {"future", "option"}


@pytest.mark.parametrize(
    ("method", "query", "code", "param"),
    [
        (BOOK, {"currency": "XYZ", "kind": "option"}, -32602, "currency"),
        (BOOK, {"currency": "BTC", "kind": "options"}, -32602, "kind"),
        ("get_index_price", {"index_name": "xyz_usd"}, -32602, "index_name"),
        ("get_delivery_prices", {"index_name": "btc_usd", "count": "1001"}, -32602, "count"),
        ("no_such_method", {}, -32601, None),
    ],
)
def test_deribit_errors(double: Double, client: httpx.Client, method: str, query: dict[str, str], code: int, param: str | None) -> None:
    reply = client.get(double.urls["deribit"] + METHOD.format(method), params=query)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error.get("data", {}).get("param")) == (400, code, param)


def test_rows_are_built_as_recorded_ones(market: Market, recordings: Path) -> None:
    def read(path: str) -> Any:
        return json.loads(gzip.decompress((recordings / path).read_bytes()))

    def shapes(rows: list[dict[str, Any]]) -> dict[str, set[str]]:
        return {name: {type(row[name]).__name__ for row in rows} for name in rows[0]}

    recorded, ours = read("cboe/2026-07-28/_SPX.json.gz"), cboe(market, "_SPX")
    assert shapes(ours["data"]["options"]) == shapes(recorded["data"]["options"])
    assert shapes([ours["data"]]) == shapes([recorded["data"]]) and set(ours) == set(recorded)
    summary = read("deribit/2026-03-13/book_summary_BTC_option.json.gz")
    assert set(summary) == set(deribit(market, BOOK, currency="BTC", kind="option"))
    seen = shapes(summary["result"])
    for name, types in shapes(book(market, "BTC")).items():
        assert types == seen[name] or (name == "ask_price" and types == {"float", "NoneType"}), name  # nobody asks for a few of ours
    listed = shapes(read("deribit/2026-03-13/instruments_BTC_option.json.gz")["result"])
    assert shapes(deribit(market, INSTRUMENTS, currency="BTC", kind="option")["result"]) == listed


# A market that is the same everywhere and plausible


def test_sessions_skip_thanksgiving_and_close_early_after_it() -> None:
    days = [Market(session=number).now.date() for number in (1, 8, 9)]
    assert days == [date(2026, 11, 16), date(2026, 11, 25), date(2026, 11, 27)]
    assert Market(session=9).us("SPY").session.is_early_close
    assert cboe(Market(session=9), "SPY")["data"]["last_trade_time"] == "2026-11-27T12:59:59"
    with pytest.raises(ValueError, match="out of range"):
        Market(session=5000)


def test_sizes_and_open_interest_are_plausible(market: Market) -> None:
    for symbol, rows, interest in (("_SPX", (4000, 7000), 25e6), ("SPY", (2000, 4000), 20e6)):
        options = cboe(market, symbol)["data"]["options"]
        assert rows[0] < len(options) < rows[1]
        total = {side: sum(row["open_interest"] for row in options if row["option"][-9] == side) for side in "CP"}
        assert total["P"] > total["C"] and sum(total.values()) == pytest.approx(interest, rel=0.3)
    for currency, least, most, expected_oi in (("BTC", 500, 900, 450_000), ("ETH", 400, 800, 3.8e6), ("USDC", 200, 600, None)):
        summary = book(market, currency)
        assert least < len(summary) < most
        if expected_oi is not None:
            assert sum(row["open_interest"] for row in summary) == pytest.approx(expected_oi, rel=0.3)


def test_max_pain_is_near_spot_and_walls_are_at_round_strikes(market: Market) -> None:
    chain = market.us("_SPX")
    near = [series for series in chain.series if series.expiry.root == "SPXW" and series.call_oi.sum() > 0][:8]
    assert all(abs(max_pain(series) / chain.close - 1) < 0.03 for series in near)
    gamma: dict[float, float] = {}
    for series in chain.series:
        if not series.is_settled:
            for strike, value in zip(series.expiry.strikes, series.fair.gamma * (series.call_oi - series.put_oi), strict=True):
                gamma[strike] = gamma.get(strike, 0.0) + value
    wall = max((strike for strike in gamma if strike > chain.close), key=lambda strike: gamma[strike])
    assert wall % 50 == 0 and wall < 1.05 * chain.close
    bitcoin = market.crypto("BTC")
    assert all(abs(max_pain(series) / bitcoin.index - 1) < 0.1 for series in bitcoin.series[:3])


def test_open_interest_moves_between_sessions_and_strikes_stay_listed() -> None:
    previous: dict[tuple[str, date, float], float] = {}
    for number in range(1, 5):
        series = Market(session=number).us("SPY").series
        now = {(s.expiry.root, s.expiry.day, k): oi for s in series for k, oi in zip(s.expiry.strikes, s.call_oi, strict=True)}
        first = min(day for _, day, _ in now)
        common = [key for key in previous if key[1] >= first]
        assert set(common) <= set(now)
        if common:
            moved = sum(abs(now[key] - previous[key]) for key in common) / sum(previous[key] for key in common)
            assert 0.01 < moved < 0.25
        previous = now


def test_open_interest_is_that_of_the_morning() -> None:
    """definitions §1, oi_as_of: all day the previous close's, replaced at 06:30 New York."""

    def total(now: datetime) -> float:
        return float(sum(series.call_oi.sum() for series in Market(now=now).us("_SPX").series if series.expiry.day >= date(2026, 11, 18)))

    evening = total(datetime(2026, 11, 16, 22, 40, tzinfo=UTC))
    assert total(datetime(2026, 11, 17, 11, 29, tzinfo=UTC)) == evening
    assert total(datetime(2026, 11, 17, 11, 31, tzinfo=UTC)) != evening


def test_put_call_parity_holds_within_the_spread(market: Market) -> None:
    chain = market.us("_SPX")
    rows = {row["option"]: row for row in cboe(market, "_SPX")["data"]["options"]}
    for series in chain.series:
        if series.is_settled:
            continue
        discount = np.exp(-0.04 * series.fair.tau)
        for name, call in rows.items():
            match = OSI.fullmatch(name)
            assert match is not None
            if (match["root"], match["ymd"], match["cp"]) != (series.expiry.root, f"{series.expiry.day:%y%m%d}", "C"):
                continue
            put = rows[f"{match['root']}{match['ymd']}P{match['k']}"]
            if call["bid"] > 0 and put["bid"] > 0:
                parity = discount * (series.fair.forward - int(match["k"]) / 1000)
                assert call["bid"] - put["ask"] - 1e-6 <= parity <= call["ask"] - put["bid"] + 1e-6


def test_inside_the_session_prices_are_delayed_and_days_unfinished() -> None:
    chain = Market(now=datetime(2026, 11, 17, 16, tzinfo=UTC)).us("SPY")
    data = cboe(Market(now=datetime(2026, 11, 17, 16, tzinfo=UTC)), "SPY")["data"]
    assert not chain.is_closed and data["last_trade_time"] == "2026-11-17T10:45:00"
    assert data["low"] <= data["current_price"] == data["close"] <= data["high"]


# The command


def test_the_command_serves_the_same_bytes_and_stops_on_sigterm(market: Market) -> None:
    command = [sys.executable, "-m", "flows.demo.venues", "--session", "3"]
    requests = [("cboe", CHAIN.format("_SPX"), {}), ("deribit", METHOD.format(BOOK), {"currency": "BTC", "kind": "option"})]
    # Another hash seed, so that nothing may hang on the order of a set.
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONHASHSEED": "7"}) as process:
        try:
            assert process.stdout is not None
            urls = json.loads(process.stdout.readline())
            bodies = [httpx.get(urls[venue] + path, params=query, timeout=20).content for venue, path, query in requests]
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()  # or the end of a failing test would wait for it
    for each in (market, Market(now=market.now)):
        assert [WIRES[venue].answer(each, path, query).body for venue, path, query in requests] == bodies
