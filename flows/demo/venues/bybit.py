"""Bybit v5 on the wire: errors inside HTTP 200, strings for numbers, "0" for what is missing, a list in pages (venues §2).

A coin's contracts are listed twice, USDT-settled (suffix) and USDC-settled (none), and open interest is split over the two.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import orjson

from flows.demo.market.coins import PAIRS, TICKS, Contract, coming, contracts, ms, quotes, share, shuffled, text
from flows.demo.market.market import CryptoChain, Market
from flows.demo.venues.wire import Reply, Row, Wire, retry_after

PREFIX = "/v5/market/"
COINS = (*PAIRS, "MNT")  # MNT is valid and has nothing listed here
BOOKS = {"USDT": "-USDT", "USDC": ""}
USDT_SHARE, LOT = 0.65, 0.01
TOO_FREQUENT = b"<html><body>403, access too frequent. Please try it again later.</body></html>"
BAD, NO_ROUTE, TOO_MANY = 10001, 10017, 10006


class Bybit(Wire):
    """`/v5/market`."""

    name = "bybit"
    instrument = "symbol"
    open_interest = "openInterest"
    no_open_interest = ""
    refusals = ("plain", "seconds", "date", "403")  # retCode 10006 in HTTP 200; HTTP 429 with Retry-After; HTTP 403
    missing = dict.fromkeys(("bid1Price", "ask1Price", "markPrice", "lastPrice", "markIv", "bid1Iv", "ask1Iv"), "0")

    def answer(self, market: Market, path: str, query: Mapping[str, str]) -> Reply:
        route = path.removeprefix(PREFIX)
        if not path.startswith(PREFIX) or route not in ("instruments-info", "tickers", "delivery-price"):
            return _envelope(ms(market.now), NO_ROUTE, "Route not found.", status=404)
        symbol = query.get("symbol", "")
        coin = query.get("baseCoin") or symbol.partition("-")[0] or ("" if route == "tickers" else "BTC")
        problem = "Category is required" if "category" not in query else "category invalid" if query["category"] != "option" else ""
        problem = problem or ("baseCoin or symbol is required" if not coin else "baseCoin invalid" if coin not in COINS else "")
        if problem:
            return _envelope(ms(market.now), BAD, f"params error: {problem}")
        chain = market.crypto(PAIRS[coin]) if coin in PAIRS and route != "delivery-price" else None
        rows = [] if chain is None else _tickers(chain, coin) if route == "tickers" else _instruments(chain, coin)
        rows = [row for row in rows if symbol in ("", row["symbol"]) and query.get("expDate") in (None, row["symbol"].split("-")[1])]
        if route != "instruments-info":
            return _envelope(ms(chain.now if chain else market.now), 0, "OK", {"category": "option", "list": rows})
        return _page([row for row in rows if query.get("status") in (None, row["status"])], query, ms(market.now))

    def refuse(self, variant: str, seconds: float) -> Reply:
        if variant == "403":
            return Reply(403, TOO_FREQUENT, "text/html")
        now = round(time.time() * 1000)
        headers = {"X-Bapi-Limit": "600", "X-Bapi-Limit-Status": "0", "X-Bapi-Limit-Reset-Timestamp": str(now + round(seconds * 1000))}
        reply = _envelope(now, TOO_MANY, "Too many visits. Exceeded the API Rate Limit.", status=200 if variant == "plain" else 429)
        return Reply(reply.status, reply.body, headers=headers if variant == "plain" else retry_after(variant, seconds))

    def rows(self, document: Any) -> list[Row] | None:
        result = document.get("result") if isinstance(document, dict) else None
        return result.get("list") if isinstance(result, dict) else None

    def option_type(self, row: Row) -> str:
        return str(row["symbol"]).removesuffix("-USDT")[-1]

    def shift_clock(self, document: Any, seconds: float) -> None:
        document["time"] += round(seconds * 1000)


def _instruments(chain: CryptoChain, coin: str) -> list[Row]:
    trading = [(contract, "Trading") for contract in shuffled(contracts(chain), lambda each: _symbol(coin, each), "bybit list")]
    listed = [*trading, *((contract, "PreLaunch") for contract in coming(chain))]
    return [_instrument(coin, contract, status, book, suffix) for contract, status in listed for book, suffix in BOOKS.items()]


def _instrument(coin: str, contract: Contract, status: str, book: str, suffix: str) -> Row:
    symbol, tick = _symbol(coin, contract), text(TICKS[coin])
    return {
        "symbol": symbol + suffix,
        "status": status,
        "baseCoin": coin,
        "quoteCoin": "USDT" if suffix else "USD",
        "settleCoin": book,
        "optionsType": "Call" if contract.side == "C" else "Put",
        "launchTime": str(ms(contract.listed_at)),
        "deliveryTime": str(ms(contract.expires_at)),
        "deliveryFeeRate": "0.00015",
        "priceFilter": {"minPrice": tick, "maxPrice": "1110000", "tickSize": tick},
        "lotSizeFilter": {"maxOrderQty": "500", "minOrderQty": text(LOT), "qtyStep": text(LOT)},
        "displayName": symbol.replace(coin, f"{coin}USDT", 1) if suffix else "",
        "symbolId": ms(contract.listed_at) // 1000 % 100_000,
    }


def _tickers(chain: CryptoChain, coin: str) -> list[Row]:
    rows = shuffled(contracts(chain), lambda each: _symbol(coin, each), "bybit")
    return [row for contract in rows for row in _ticker_rows(chain, coin, contract)]


def _ticker_rows(chain: CryptoChain, coin: str, contract: Contract) -> list[Row]:
    symbol = _symbol(coin, contract)
    bid, ask = quotes(contract, TICKS[coin])
    interest = share(contract.open_interest, symbol, USDT_SHARE, LOT)
    volume = share(contract.volume, f"{symbol} volume", USDT_SHARE, LOT)
    shared = {
        "bid1Price": text(bid),
        "bid1Size": "1.2" if bid else "0",
        "bid1Iv": text(contract.vol * 0.98, 4) if bid else "0",
        "ask1Price": text(ask),
        "ask1Size": "0.8",
        "ask1Iv": text(min(contract.vol * 1.02, 5.0), 4),
        "lastPrice": text(bid),
        "highPrice24h": text(ask),
        "lowPrice24h": text(bid),
        "markPrice": text(contract.mark),
        "indexPrice": text(chain.index),
        "markIv": text(contract.vol, 4),
        "underlyingPrice": text(contract.forward, 4),
        "predictedDeliveryPrice": "0",
        "change24h": "0",
        "totalVolume": "940",
        "totalTurnover": "3011200",
        "delta": text(contract.delta),
        "gamma": text(contract.gamma),
        "vega": text(contract.vega),
        "theta": text(contract.theta),
    }
    return [
        {
            "symbol": symbol + suffix,
            **shared,
            "openInterest": text(open_interest),
            "volume24h": text(traded),
            "turnover24h": text(traded * contract.mark, 3),
        }
        for suffix, open_interest, traded in zip(BOOKS.values(), interest, volume, strict=True)
    ]


def _symbol(coin: str, contract: Contract) -> str:
    return f"{coin}-{contract.day.day}{contract.day:%b%y}-{text(contract.strike, 6)}-{contract.side}".upper()


def _page(rows: list[Row], query: Mapping[str, str], now: int) -> Reply:
    """So many rows after the cursor, which names the last one that was given."""
    limit = query.get("limit", "500")
    if not limit.isdecimal() or not 1 <= int(limit) <= 1000:
        return _envelope(now, BAD, "params error: limit invalid")
    start = 0
    if query.get("cursor"):
        last = re.search(r"last=(\S+)$", unquote(query["cursor"]))
        start = next((number for number, row in enumerate(rows, start=1) if last and row["symbol"] == last[1]), 0)
        if start == 0:
            return _envelope(now, BAD, "params error: cursor invalid")
    page = rows[start : start + int(limit)]
    has_more = start + int(limit) < len(rows)
    cursor = f"first%3D{page[0]['symbol']}%26last%3D{page[-1]['symbol']}" if has_more else ""
    return _envelope(now, 0, "OK", {"category": "option", "nextPageCursor": cursor, "list": page})


def _envelope(now: int, code: int, message: str, result: Row | None = None, status: int = 200) -> Reply:
    body = {"retCode": code, "retMsg": message, "result": result or {}, "retExtInfo": {}, "time": now}
    return Reply(status, orjson.dumps(body))
