"""Binance options on the wire: marks and quotes of all underlyings at once, open interest per expiry, weights in a header (venues §4)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from flows.demo.market.coins import PAIRS, TICKS, Contract, contracts, ms, quotes, shuffled, text
from flows.demo.market.market import Market
from flows.demo.market.positions import name_key
from flows.demo.venues.wire import Reply, Row, Wire, retry_after

PREFIX = "/eapi/v1/"
UNITS = {"XRP": 100}  # coins per contract; 1 for the others
WEIGHTS = {"exchangeInfo": 1, "mark": 5, "openInterest": 0, "index": 1}
WEIGHT_LIMIT, TICKER_WEIGHT, SYMBOL_WEIGHT = 2400, 40, 1
BAN_SECONDS = 120
STOCK = {"symbol": "COIN-261218-300-C", "underlying": "COINUSDT", "underlyingType": "EQUITY"}
INVALID_SYMBOL, MANDATORY, BAD_COMBINATION, TOO_MANY = -1121, -1102, -1128, -1003


class Binance(Wire):
    """`/eapi/v1`."""

    name = "binance"
    instrument = "symbol"
    open_interest = "sumOpenInterest"
    open_interest_too = ("sumOpenInterestUsd",)
    refusals = ("plain", "seconds", "date", "418")  # 429, Retry-After 1; 429 with another; the ban
    missing = dict.fromkeys(("markIV", "bidIV", "askIV"), "-1") | dict.fromkeys(("markPrice", "bidPrice", "askPrice", "lastPrice"), "0.000")

    def answer(self, market: Market, path: str, query: Mapping[str, str]) -> Reply:
        route = path.removeprefix(PREFIX)
        if not path.startswith(PREFIX) or route not in (*WEIGHTS, "ticker"):
            return Reply(404, b"<html><body><h1>404 Not found</h1></body></html>", "text/html")
        if route == "openInterest":
            return _open_interest(market, query)
        if route == "index":
            return _index(market, query)
        if route == "exchangeInfo":
            return Reply(200, orjson.dumps(_listing(market)))
        rows = [row for coin in PAIRS for row in (_marks if route == "mark" else _tickers)(market, coin)]
        rows = [row for row in rows if query.get("symbol") in (None, row["symbol"])]
        return Reply(200, orjson.dumps(rows)) if rows else _failure(INVALID_SYMBOL, "Invalid symbol.")

    def refuse(self, variant: str, seconds: float) -> Reply:
        if variant == "418":
            until = round((time.time() + BAN_SECONDS) * 1000)
            return _failure(TOO_MANY, f"Way too many requests; IP banned until {until}.", 418, {"Retry-After": str(BAN_SECONDS)})
        headers = retry_after("seconds" if variant == "plain" else variant, seconds)
        message = f"Too many requests; current limit is {WEIGHT_LIMIT} request weight per 1 MINUTE."
        return _failure(TOO_MANY, message, 429, headers)

    def counters(self, requests: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, str]:
        ticker = {True: SYMBOL_WEIGHT, False: TICKER_WEIGHT}
        weights = (WEIGHTS.get(path.removeprefix(PREFIX), ticker["symbol" in query]) for path, query in requests)
        return {"X-MBX-USED-WEIGHT-1M": str(sum(weights))}

    def rows(self, document: Any) -> list[Row] | None:
        rows = document.get("optionSymbols") if isinstance(document, dict) else document
        return rows if isinstance(rows, list) else None

    def option_type(self, row: Row) -> str:
        return str(row["symbol"])[-1]

    def shift_clock(self, document: Any, seconds: float) -> None:
        for row in [document] if isinstance(document, dict) else document:
            for name in ("time", "serverTime"):
                if name in row:
                    row[name] += round(seconds * 1000)


def _listing(market: Market) -> Row:
    """exchangeInfo: the contracts of every coin, and one option on a stock."""
    rows = [row for coin in PAIRS for row in _symbols(market, coin)]
    limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT_LIMIT}
    return {"timezone": "UTC", "serverTime": ms(market.now), "rateLimits": [limit], "optionSymbols": [*rows, {**rows[0], **STOCK}]}


def _symbols(market: Market, coin: str) -> list[Row]:
    tick = text(TICKS[coin])
    return [
        {
            "expiryDate": ms(contract.expires_at),
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "80000.01", "tickSize": tick},
                {"filterType": "LOT_SIZE", "minQty": "0.01", "maxQty": "100", "stepSize": "0.01"},
            ],
            "symbol": _symbol(coin, contract),
            "side": "CALL" if contract.side == "C" else "PUT",
            "strikePrice": f"{contract.strike:.8f}",
            "underlying": f"{coin}USDT",
            "unit": UNITS.get(coin, 1),
            "minQty": "0.01",
            "maxQty": "1000",
            "priceScale": 2,
            "quantityScale": 2,
            "quoteAsset": "USDT",
            "contractType": "CRYPTO_OPTIONS",
            "underlyingType": "CRYPTO",
            "nakedSell": False,
            "status": "TRADING",
        }
        for contract in _contracts(market, coin, "list")
    ]


def _marks(market: Market, coin: str) -> list[Row]:
    unit = UNITS.get(coin, 1)
    return [
        {
            "symbol": _symbol(coin, contract),
            "markPrice": text(contract.mark * unit, 4),
            "bidIV": text(contract.vol * 0.98) if quotes(contract, TICKS[coin])[0] else "-1",
            "askIV": text(contract.vol * 1.02),
            "markIV": f"{contract.vol:.8f}",
            "delta": f"{contract.delta:.8f}",
            "theta": f"{contract.theta:.8f}",
            "gamma": f"{contract.gamma:.8f}",
            "vega": f"{contract.vega * (100 if number % 2 else 1):.8f}",  # in two units
            "highPriceLimit": text(contract.mark * unit * 2, 4),
            "lowPriceLimit": text(TICKS[coin]),
            "riskFreeInterest": "0.0",
        }
        for number, contract in enumerate(_contracts(market, coin, "mark"))
    ]


def _tickers(market: Market, coin: str) -> list[Row]:
    unit, index = UNITS.get(coin, 1), market.crypto(PAIRS[coin]).index
    rows = []
    for contract in _contracts(market, coin, "ticker"):
        bid, ask = (text(price * unit) for price in quotes(contract, TICKS[coin]))
        rows.append(
            {
                "symbol": _symbol(coin, contract),
                **dict.fromkeys(("priceChange", "priceChangePercent", "lastQty"), "0"),
                **dict.fromkeys(("lastPrice", "open", "high", "low"), bid),
                "volume": text(contract.volume / unit, 2),
                "amount": text(contract.volume * contract.mark, 2),
                "bidPrice": bid if bid != "0" else "0.000",
                "askPrice": ask,
                "openTime": ms(market.now) - 86_400_000,
                "closeTime": ms(market.now),
                "firstTradeId": 0,
                "tradeCount": 0,
                "strikePrice": text(contract.strike, 6),
                "exercisePrice": text(index),
            }
        )
    return rows


def _open_interest(market: Market, query: Mapping[str, str]) -> Reply:
    for name in ("underlyingAsset", "expiration"):
        if not query.get(name):
            return _failure(MANDATORY, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    coin, day = query["underlyingAsset"], query["expiration"]
    if coin not in PAIRS:
        return _failure(INVALID_SYMBOL, "Invalid symbol.")
    if not re.fullmatch(r"\d{6}", day):
        return _failure(BAD_COMBINATION, "Combination of optional parameters invalid.")
    chain = market.crypto(PAIRS[coin])
    rows_of_day = [contract for contract in _contracts(market, coin, "interest") if f"{contract.day:%y%m%d}" == day]
    # What was just listed has no open interest yet, and no row.
    with_rows = [each for each in rows_of_day if each.open_interest or name_key([_symbol(coin, each)], "just listed")[0] < 0.5]
    rows = [
        {
            "symbol": _symbol(coin, contract),
            "sumOpenInterest": text(contract.open_interest, 2) if contract.open_interest else "0.0",
            "sumOpenInterestUsd": f"{contract.open_interest * chain.index:.10f}",
            "timestamp": str(ms(chain.now) - 15_000),
        }
        for contract in with_rows
    ]
    return Reply(200, orjson.dumps(rows))


def _index(market: Market, query: Mapping[str, str]) -> Reply:
    coin = query.get("underlying", "").removesuffix("USDT")
    if coin not in PAIRS:
        return _failure(INVALID_SYMBOL, "Invalid symbol.")
    chain = market.crypto(PAIRS[coin])
    return Reply(200, orjson.dumps({"time": ms(chain.now), "indexPrice": f"{chain.index:.8f}"}))


def _contracts(market: Market, coin: str, salt: str) -> list[Contract]:
    return shuffled(contracts(market.crypto(PAIRS[coin])), lambda each: _symbol(coin, each), f"binance {salt}")


def _symbol(coin: str, contract: Contract) -> str:
    return f"{coin}-{contract.day:%y%m%d}-{text(contract.strike, 6)}-{contract.side}"


def _failure(code: int, message: str, status: int = 400, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, orjson.dumps({"code": code, "msg": message}), headers=headers or {})
