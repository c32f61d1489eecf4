"""Deribit's public JSON-RPC methods over GET: whole books in one reply, nulls for what is missing (venues §1).

Linear contracts of every coin live in the USDC book; `currency=SOL` is valid and empty. The order of rows means nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import orjson

from flows.demo.market.market import CryptoChain, Market, Series
from flows.demo.market.positions import name_key
from flows.demo.market.pricing import premiums
from flows.demo.market.products import CRYPTO_PRODUCTS, CryptoProduct
from flows.demo.market.randomness import Floats, normal, uniform
from flows.demo.venues.wire import Reply, Row, Wire, retry_after

PREFIX = "/api/v2/public/"
CURRENCIES = ("BTC", "ETH", "USDC", "USDT", "EURR", "SOL")
KINDS = ("option", "future", "spot", "future_combo", "option_combo")
INDEX_NAMES = {product.index_name: product for product in CRYPTO_PRODUCTS.values()}
INVALID_PARAMS, UNKNOWN_METHOD, TOO_MANY_REQUESTS = -32602, -32601, 10028


class InvalidParams(Exception):
    """A parameter that the method does not take; the argument names it."""


class Deribit(Wire):
    """`/api/v2/public`."""

    name = "deribit"
    instrument = "instrument_name"
    open_interest = "open_interest"
    refusals = ("plain", "seconds", "date", "200")  # 429; with Retry-After; the error inside HTTP 200
    missing = dict.fromkeys(("mark_iv", "bid_price", "ask_price", "mid_price", "mark_price", "last", "high", "low", "price_change"))

    def answer(self, market: Market, path: str, query: Mapping[str, str]) -> Reply:
        method = METHODS.get(path.removeprefix(PREFIX)) if path.startswith(PREFIX) else None
        if method is None:
            return _failure(market, UNKNOWN_METHOD, "Method not found")
        try:
            return _envelope(market, 200, "result", method(market, query))
        except InvalidParams as error:
            return _failure(market, INVALID_PARAMS, "Invalid params", {"reason": "wrong format", "param": str(error)})

    def refuse(self, variant: str, seconds: float) -> Reply:
        error = {"message": "too_many_requests", "code": TOO_MANY_REQUESTS}
        body = {"jsonrpc": "2.0", "error": error, "usIn": 0, "usOut": 9, "usDiff": 9, "testnet": False}
        return Reply(200 if variant == "200" else 429, orjson.dumps(body), headers=retry_after(variant, seconds))

    def rows(self, document: Any) -> list[Row] | None:
        result = document.get("result") if isinstance(document, dict) else None
        return result if isinstance(result, list) else None

    def option_type(self, row: Row) -> str:
        return str(row["instrument_name"])[-1]

    def shift_clock(self, document: Any, seconds: float) -> None:
        document["usIn"] += round(seconds * 1e6)
        document["usOut"] += round(seconds * 1e6)
        for row in self.rows(document) or []:
            if "mark_iv" in row:  # in a list of instruments the field says when they were listed
                row["creation_timestamp"] += round(seconds * 1e3)


def _book_summary(market: Market, query: Mapping[str, str]) -> list[Row]:
    """get_book_summary_by_currency: the whole chain of a book, in no order."""
    chains = _chains(market, query, CURRENCIES)
    rows = [row for chain in chains for series in chain.series for row in _summary_rows(chain, series)]
    keys = name_key([row["instrument_name"] for row in rows], "order").tolist()
    return [row for _, row in sorted(zip(keys, rows, strict=True), key=lambda pair: pair[0])]


def _instruments(market: Market, query: Mapping[str, str]) -> list[Row]:
    """get_instruments: the contracts of a book, by pair, expiry and strike."""
    if query.get("expired", "false") not in ("true", "false"):
        raise InvalidParams("expired")
    chains = _chains(market, query, (*CURRENCIES, "any"))
    if query.get("expired") == "true":
        return []
    return [row for chain in chains for series in chain.series for row in _instrument_rows(chain.product, series)]


def _index_price(market: Market, query: Mapping[str, str]) -> Row:
    index = market.crypto(_product(query).pair).index
    return {"index_price": index, "estimated_delivery_price": index}


def _delivery_prices(market: Market, query: Mapping[str, str]) -> Row:
    offset, count = _integer(query, "offset", 0, 0, 1_000_000), _integer(query, "count", 10, 1, 1000)
    prices, total = market.delivery_prices(_product(query), offset, count)
    return {"data": [{"date": day, "delivery_price": price} for day, price in prices], "records_total": total}


def _expirations(market: Market, query: Mapping[str, str]) -> Row:
    """get_expirations: by kind for `any`, else by lower-case currency and kind."""
    currency, kind = _choice(query, "currency", (*CURRENCIES, "any", "grouped")), _choice(query, "kind", ("future", "option", "any"))
    pair = query.get("currency_pair")
    if pair is not None and pair not in INDEX_NAMES:
        raise InvalidParams("currency_pair")
    days: dict[str, set[date]] = {}
    for product in CRYPTO_PRODUCTS.values():
        if currency in (product.book, "any", "grouped") and pair in (None, product.index_name):
            days.setdefault(product.book.lower(), set()).update(series.expiry.day for series in market.crypto(product.pair).series)
    grouped = {book: _by_kind(expiries, kind) for book, expiries in days.items()}
    return _by_kind(set().union(*days.values()), kind) if currency == "any" else grouped


METHODS: dict[str, Callable[[Market, Mapping[str, str]], Any]] = {
    "get_book_summary_by_currency": _book_summary,
    "get_instruments": _instruments,
    "get_index_price": _index_price,
    "get_delivery_prices": _delivery_prices,
    "get_expirations": _expirations,
}


def _summary_rows(chain: CryptoChain, series: Series) -> list[Row]:
    """Rows of one expiry, calls first. Arrays below hold one element per row in that order; prices in the product's unit."""
    product, expiry, fair = chain.product, series.expiry, series.fair
    count, day = len(expiry.strikes), chain.now.toordinal()
    keys = (expiry.day.toordinal() * 2 + np.repeat([1, 0], count), np.round(np.tile(expiry.strikes, 2) * 10_000), len(product.pair))
    # Some rows were marked a tick earlier, on another forward.
    jitter = np.where(uniform("late", *keys) < 0.06, 1 + 5e-5 * normal("late forward", *keys), 1.0)
    forward = np.round(fair.forward * jitter, 4)
    call, put = premiums(forward, np.tile(expiry.strikes, 2), np.tile(fair.vol, 2), fair.tau, 0.0)
    unit = 1.0 if product.is_linear else forward
    mark = np.where(np.repeat([True, False], count), call, put) / unit
    out_of_the_money = np.minimum(call, put) / unit
    before = np.concatenate([series.before.call, series.before.put]) / (1.0 if product.is_linear else series.before.forward)
    luck = uniform("spread", *keys, day)
    bid, ask, tick = _quotes(product, mark, out_of_the_money, luck)
    is_quoted = (mark < 12 * out_of_the_money) | (luck > 0.03) | (bid < tick)  # now and then nobody quotes a deep one
    has_bid = is_quoted & (bid >= product.tick)

    interest = np.concatenate([series.call_oi, series.put_oi])
    volume = np.concatenate([series.call_volume, series.put_volume])
    is_traded = volume > 0
    was_traded = is_traded | (interest > 0) | (uniform("ever", *keys) < 0.3)
    last = np.maximum(np.round((bid + (ask - bid) * uniform("last", *keys, day)) / tick) * tick, product.tick)
    high = last + np.floor(3 * uniform("high", *keys, day) + 0.1 * last / tick) * tick
    low = np.maximum(last - np.floor(3 * uniform("low", *keys, day) + 0.1 * last / tick) * tick, product.tick)
    change = 100 * (last / np.maximum(before, product.tick) - 1)
    has_change = is_traded & (uniform("change", *keys, day) > 0.03)
    made = np.round(chain.now.timestamp() * 1000) - np.where(jitter != 1.0, np.ceil(800 * luck), 0)
    columns = {
        "high": _nullable(high, 4, is_traded),
        "low": _nullable(low, 4, is_traded),
        "last": _nullable(last, 4, was_traded),
        "instrument_name": _names(product, series),
        "bid_price": _nullable(bid, 4, has_bid),
        "ask_price": _nullable(ask, 4, is_quoted),
        "open_interest": np.round(interest, 4).tolist(),
        "mark_price": np.round(mark, 4 if product.is_linear else 8).tolist(),
        "creation_timestamp": made.astype(int).tolist(),
        "price_change": _nullable(change, 4, has_change),
        "interest_rate": [0.0] * (2 * count),
        "volume": np.round(volume, 4).tolist(),
        "mark_iv": np.round(np.tile(fair.vol, 2) * 100, 2).tolist(),
        "underlying_price": forward.tolist(),
        "underlying_index": [_underlying_index(product, series)] * (2 * count),
        "estimated_delivery_price": [chain.index] * (2 * count),
        "base_currency": [product.base] * (2 * count),
        "quote_currency": ["USDC" if product.is_linear else product.base] * (2 * count),
        "volume_usd": np.round(volume * mark * unit, 2).tolist(),
        "mid_price": _nullable((bid + ask) / 2, 6, has_bid),
    }
    if product.is_linear:
        columns["volume_notional"] = np.round(volume * chain.index, 2).tolist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _instrument_rows(product: CryptoProduct, series: Series) -> list[Row]:
    expiry = series.expiry
    listed_at = expiry.expires_at - timedelta(days=round(expiry.expires - expiry.listed - 0.5))
    coarser = product.tick_above
    shared = {
        "price_index": product.index_name,
        "kind": "option",
        "maker_commission": 0.0003,
        "taker_commission": 0.0003,
        "instrument_type": "linear" if product.is_linear else "reversed",
        "expiration_timestamp": round(expiry.expires_at.timestamp() * 1000),
        "creation_timestamp": round(listed_at.timestamp() * 1000),
        "is_active": True,
        "state": "open",
        "tick_size": product.tick,
        "contract_size": product.contract_size if product.is_linear else float(product.contract_size),
        "min_trade_amount": product.lot,
        "block_trade_commission": 0.0003,
        "block_trade_min_trade_amount": 25 if product.base == "BTC" else 250,
        "block_trade_tick_size": product.tick,
        "settlement_currency": product.book,
        "settlement_period": {"daily": "day", "weekly": "week"}.get(expiry.kind, "month"),
        "base_currency": product.base,
        "counter_currency": "USDC" if product.is_linear else "USD",
        "quote_currency": product.book,
        "tick_size_steps": [] if coarser is None else [{"above_price": coarser[0], "tick_size": coarser[1]}],
        "lot_size": product.lot,
        "underlying_type": "crypto",
        "product_group": "TIER_1" if product.base in ("BTC", "ETH") else "TIER_2",
    }
    names = _names(product, series)
    numbers = (400_000 + 500_000 * name_key(names, "instrument")).astype(int).tolist()
    sides = ["call"] * len(expiry.strikes) + ["put"] * len(expiry.strikes)
    rows = [
        {"instrument_name": name, "option_type": side, "strike": strike, "instrument_id": number, **shared}
        for name, side, strike, number in zip(names, sides, np.tile(expiry.strikes, 2).tolist(), numbers, strict=True)
    ]
    return sorted(rows, key=lambda row: (row["strike"], row["option_type"]))


def _quotes(product: CryptoProduct, mark: Floats, out_of_the_money: Floats, luck: Floats) -> tuple[Floats, Floats, Floats]:
    """Bid, ask and tick around marks: ticks, a share of the time value, and wide in the money."""
    tick = np.full(len(mark), float(product.tick))
    if product.tick_above is not None:
        tick[mark >= product.tick_above[0]] = product.tick_above[1]
    intrinsic = (mark - out_of_the_money) * 0.02 * np.where(luck < 0.25, 3.0, 0.6)
    half = (0.6 * tick + 0.012 * out_of_the_money + intrinsic) * (0.5 + luck)
    bid = np.maximum(np.floor((mark - half) / tick + 1e-9) * tick, 0.0)
    ask = np.maximum(np.ceil((mark + half) / tick - 1e-9) * tick, tick)
    return np.round(bid, 6), np.round(ask, 6), tick


def _underlying_index(product: CryptoProduct, series: Series) -> str:
    """A future's name where one is listed, else a synthetic one; thin dailies are marked on the index itself."""
    label = f"{product.pair}-{_day(series.expiry.day)}"
    if series.expiry.kind == "daily":
        return "index_price" if product.base in ("XRP", "HYPE") else f"SYN.{label}"
    return label if series.expiry.kind == "quarterly" or product.lists_all else f"SYN.{label}"


def _names(product: CryptoProduct, series: Series) -> list[str]:
    start = f"{product.pair}-{_day(series.expiry.day)}-"
    strikes = [f"{strike:.6f}".rstrip("0").rstrip(".").replace(".", "d") for strike in series.expiry.strikes.tolist()]
    return [f"{start}{strike}-{side}" for side in "CP" for strike in strikes]


def _day(day: date) -> str:
    return f"{day.day}{day:%b%y}".upper()  # the day is not zero-padded


def _by_kind(days: set[date], kind: str) -> Row:
    option = [_day(day) for day in sorted(days)]
    kinds = {"future": [*(_day(day) for day in sorted(days) if day.weekday() == 4), "PERPETUAL"], "option": option}
    return kinds if kind == "any" else {kind: kinds[kind]}


def _chains(market: Market, query: Mapping[str, str], currencies: tuple[str, ...]) -> list[CryptoChain]:
    currency = _choice(query, "currency", currencies)
    kind = query.get("kind", "option")
    if kind not in KINDS:
        raise InvalidParams("kind")
    pairs = [product.pair for product in CRYPTO_PRODUCTS.values() if kind == "option" and currency in (product.book, "any")]
    return [market.crypto(pair) for pair in pairs]


def _product(query: Mapping[str, str]) -> CryptoProduct:
    return INDEX_NAMES[_choice(query, "index_name", tuple(INDEX_NAMES))]


def _choice(query: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    if query.get(name) not in allowed:
        raise InvalidParams(name)
    return query[name]


def _integer(query: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise InvalidParams(name)
    return int(text)


def _nullable(values: Floats, digits: int, is_present: Any) -> list[float | None]:
    pairs = zip((np.round(values, digits) + 0.0).tolist(), is_present.tolist(), strict=True)
    return [value if present else None for value, present in pairs]


def _failure(market: Market, code: int, message: str, data: Row | None = None) -> Reply:
    error = {"message": message, "code": code} if data is None else {"message": message, "data": data, "code": code}
    return _envelope(market, 400, "error", error)


def _envelope(market: Market, status: int, key: str, content: Any) -> Reply:
    started, took = round((market.now.timestamp() + 12.9) * 1_000_000), 220
    body = {"jsonrpc": "2.0", key: content, "usIn": started, "usOut": started + took, "usDiff": took, "testnet": False}
    return Reply(200 if key == "result" else status, orjson.dumps(body))
