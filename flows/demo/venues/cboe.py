"""Cboe delayed quotes on the wire: one document per symbol, floats, zeros for what is missing (venues §5).

Unknown symbols, and indices without their underscore, get HTTP 403 with an S3 XML body.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import orjson

from flows.demo.market.market import Market, Series, UsChain
from flows.demo.market.positions import AGES
from flows.demo.market.products import US_PRODUCTS, UsProduct
from flows.demo.market.randomness import Floats, bits, normal, uniform
from flows.demo.market.sessions import NEW_YORK, Session, session
from flows.demo.venues.wire import Reply, Row, Wire, retry_after

PATH = re.compile(r"/api/global/delayed_quotes/options/([^/]+)\.json")
CACHE = {"Cache-Control": "max-age=0, s-maxage=5"}
ACCESS_DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message>'
    b"<RequestId>SYNTHETIC0000001</RequestId><HostId>c3ludGhldGlj</HostId></Error>"
)
BLOCKED = b"<!DOCTYPE html><html><head><title>Attention Required!</title></head><body><h1>Sorry, you have been blocked</h1></body></html>"
INDEX_TAIL = timedelta(minutes=15)  # index options and the index print until 16:15
TIME = "%Y-%m-%dT%H:%M:%S"


class Cboe(Wire):
    """`/api/global/delayed_quotes/options`."""

    name = "cboe"
    instrument = "option"
    open_interest = "open_interest"
    refusals = ("plain", "seconds", "date")  # 403 with HTML; 429 with Retry-After
    missing = dict.fromkeys(("iv", "bid", "ask", "theo", "last_trade_price", "prev_day_close", "open", "high", "low"), 0.0)

    def answer(self, market: Market, path: str, query: Mapping[str, str]) -> Reply:
        symbol = PATH.fullmatch(path)
        if symbol is None or symbol[1] not in US_PRODUCTS:
            return Reply(403, ACCESS_DENIED, "application/xml")
        return Reply(200, orjson.dumps(document(market.us(symbol[1]), market.now)), headers=CACHE)

    def refuse(self, variant: str, seconds: float) -> Reply:
        status = 403 if variant == "plain" else 429
        return Reply(status, BLOCKED, "text/html; charset=UTF-8", retry_after(variant, seconds))

    def rows(self, document: Any) -> list[Row] | None:
        return document.get("data", {}).get("options") if isinstance(document, dict) else None

    def option_type(self, row: Row) -> str:
        return str(row["option"])[-9]

    def shift_clock(self, document: Any, seconds: float) -> None:
        stamp = datetime.fromisoformat(document["timestamp"]) + timedelta(seconds=seconds)
        document["timestamp"] = f"{stamp:%Y-%m-%d %H:%M:%S}"


def document(chain: UsChain, now: datetime) -> Row:
    """The whole reply for one symbol."""
    product = chain.product
    # Files of different symbols are made seconds apart; the stamp is UTC without a zone.
    stamp = now if product.is_index else now + timedelta(seconds=3)
    price = chain.close if product.is_index or not chain.is_closed else chain.after_hours
    last = chain.session.closes_at + (INDEX_TAIL if product.is_index else timedelta()) - timedelta(seconds=1)
    last = min(last, now - timedelta(minutes=15)).astimezone(NEW_YORK)
    half = 1.2 if product.is_index else 0.01
    change = price - chain.previous_close
    data = {
        "options": [row for series in chain.series for row in _rows(chain, series)],
        "symbol": product.data_symbol,
        "security_type": "index" if product.is_index else "stock",
        "exchange_id": 5 if product.is_index else 3,
        "current_price": price,
        "price_change": round(change, 4),
        "price_change_percent": round(100 * change / chain.previous_close, 4),
        "bid": round(price - half, 2),
        "ask": round(price + half, 2),
        "bid_size": 1 if product.is_index else 100 * int(1 + bits("bid size", chain.session.number) % np.uint64(20)),
        "ask_size": 1 if product.is_index else 100 * int(1 + bits("ask size", chain.session.number) % np.uint64(20)),
        "open": chain.open,
        "high": chain.high,
        "low": chain.low,
        "close": chain.close,
        "prev_day_close": chain.previous_close,
        "volume": 0 if product.is_index else int(55_000_000 * np.exp(0.3 * normal("volume", chain.session.number))),
        "iv30": round(100 * chain.iv30, 3),
        "iv30_change": round(100 * (chain.iv30 - chain.iv30_before), 3),
        "iv30_change_percent": round(100 * (chain.iv30 / chain.iv30_before - 1), 4),
        "seqno": int(now.timestamp()) * 10 + (0 if product.is_index else 3),
        "last_trade_time": last.strftime(TIME),
        "tick": _direction(change),
    }
    return {"timestamp": f"{stamp:%Y-%m-%d %H:%M:%S}", "data": data, "symbol": product.feed_symbol}


def _rows(chain: UsChain, series: Series) -> list[Row]:
    """Rows of one series: by strike, the call before the put. Arrays below hold one element per row in that order."""
    product, expiry, fair, number = chain.product, series.expiry, series.fair, chain.session.number
    is_call = np.tile([True, False], len(expiry.strikes))
    keys = (expiry.day.toordinal() * 2 + is_call, np.round(np.repeat(expiry.strikes, 2) * 1000), len(expiry.root))

    theo, before = _both(fair.call, fair.put), _both(series.before.call, series.before.put)
    out_of_the_money = np.repeat(np.minimum(fair.call, fair.put), 2)
    bid, ask, tick = _quotes(product, theo, out_of_the_money, uniform("spread", *keys, number))
    is_in_the_money = theo > out_of_the_money + tick / 2
    # What an in-the-money price says about volatility drowns in its spread; the feed then gives 0.
    is_blind = is_in_the_money & (out_of_the_money < 2.5 * product.tick) & (uniform("blind", *keys) < 0.8)
    is_blind |= series.is_settled & (uniform("settled", *keys) < 0.92)
    wobble = np.where(is_in_the_money, 0.004 + 0.1 * np.exp(-out_of_the_money / (8 * product.tick)), 0.001)
    iv = np.where(is_blind, 0.0, np.repeat(fair.vol, 2) * np.exp(wobble * normal("iv", *keys, number)))

    interest, volume = _both(series.call_oi, series.put_oi), _both(series.call_volume, series.put_volume)
    was_traded = (interest > 0) | (volume > 0) | (uniform("ever", *keys) < 0.12)
    is_traded = volume > 0
    previous = np.round(before / tick * 2) * tick / 2  # a mid: half ticks happen
    last = np.maximum(_to_tick(bid + (ask - bid) * uniform("last", *keys, number), tick), tick)
    stale = np.maximum(_to_tick(before * np.exp(0.3 * normal("stale", *keys)), tick), tick)
    opening = np.maximum(_to_tick(before * np.exp(0.05 * normal("open", *keys, number)), tick), tick)
    high = np.maximum(np.maximum(opening, last) + _to_tick((ask - bid) * uniform("high", *keys, number), tick), tick)
    low = np.maximum(np.minimum(opening, last) - _to_tick((ask - bid) * uniform("low", *keys, number), tick), tick)
    change = np.where(is_traded, last - previous, 0.0)
    has_sizes = 0.0 if product.is_index else 1.0  # index quotes carry none after the close
    sizes = [np.floor(has_sizes * np.exp(5.5 * uniform(name, *keys, number)) + 1 * has_sizes) for name in ("bid size", "ask size")]
    columns = {
        "option": _names(expiry.root, f"{expiry.day:%y%m%d}", expiry.strikes),
        "bid": _plain(bid, 2),
        "bid_size": _plain(np.where(bid > 0, sizes[0], 0.0), 0),
        "ask": _plain(ask, 2),
        "ask_size": _plain(sizes[1], 0),
        "iv": _plain(iv, 4),
        "open_interest": _plain(interest, 0),
        "volume": _plain(volume, 0),
        "delta": _plain(_both(fair.call_delta, fair.put_delta), 4),
        "gamma": _plain(np.repeat(fair.gamma, 2), 4),
        "vega": _plain(np.repeat(fair.vega, 2), 4),
        "theta": _plain(_both(fair.call_theta, fair.put_theta), 4),
        "rho": _plain(_both(fair.call_rho, fair.put_rho), 4),
        "theo": _plain(theo, 4),
        "change": _plain(change, 4),
        "open": _plain(np.where(is_traded, opening, 0.0), 2),
        "high": _plain(np.where(is_traded, high, 0.0), 2),
        "low": _plain(np.where(is_traded, low, 0.0), 2),
        "tick": [_direction(each) for each in _plain(change, 4)],
        "last_trade_price": _plain(np.where(is_traded, last, np.where(was_traded, stale, 0.0)), 2),
        "last_trade_time": _trade_times(chain, expiry.listed, is_traded, was_traded, volume, keys),
        "percent_change": _plain(np.where(previous > 0, 100 * change / np.maximum(previous, product.tick / 2), 0.0), 4),
        # The feed keeps it in 32 bits and prints all digits of that.
        "prev_day_close": _plain(previous.astype(np.float32).astype(np.float64), 15),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _quotes(product: UsProduct, theo: Floats, out_of_the_money: Floats, luck: Floats) -> tuple[Floats, Floats, Floats]:
    """Bid, ask and tick around fair values: a tick or two and a share of the time value, wide in the money."""
    tick = np.where(theo < 3.0, product.tick, product.tick_above_three)
    parity, cap = (0.006, 18.0) if product.is_index else (0.03, 2.6)
    intrinsic = np.minimum((theo - out_of_the_money) * parity, cap) * np.where(luck < 0.35, 1.0, 0.3)
    half = (tick + 0.008 * out_of_the_money + intrinsic) * (0.4 + 0.4 * luck)
    bid = np.maximum(np.floor((theo - half) / tick + 1e-9) * tick, 0.0)
    ask = np.maximum(np.ceil((theo + half) / tick - 1e-9) * tick, tick)
    return np.round(bid, 2), np.round(ask, 2), tick


def _trade_times(chain: UsChain, listed: float, is_traded: Any, was_traded: Any, volume: Floats, keys: tuple[Any, ...]) -> list[str | None]:
    """New York wall clock without a zone; None for what never traded; busy contracts traded last just before the close."""
    tail = INDEX_TAIL if chain.product.is_index else timedelta()
    today = chain.session
    age = np.minimum(1 + np.floor(-12 * np.log(uniform("age", *keys))), max(today.number - np.floor(listed) - 1, 1)).astype(int)
    share = uniform("moment", *keys, today.number) ** (1 / (1 + np.log1p(volume)))
    return [
        _moment(today, part, tail) if now else _moment(session(today.number - min(back, int(AGES[-1]))), part, tail) if ever else None
        for now, ever, part, back in zip(is_traded.tolist(), was_traded.tolist(), share.tolist(), age.tolist(), strict=True)
    ]


def _moment(day: Session, share: float, tail: timedelta) -> str:
    return (day.opens_at + share * (day.closes_at + tail - day.opens_at)).astimezone(NEW_YORK).strftime(TIME)


def _names(root: str, day: str, strikes: Floats) -> list[str]:
    return [f"{root}{day}{side}{round(strike * 1000):08d}" for strike in strikes.tolist() for side in "CP"]


def _both(call: Floats, put: Floats) -> Floats:
    return np.stack([call, put], axis=1).ravel()


def _to_tick(price: Floats, tick: Floats) -> Floats:
    return np.asarray(np.round(price / tick) * tick)


def _plain(values: Floats, digits: int) -> list[float]:
    return list((np.round(values, digits) + 0.0).tolist())  # no negative zeros on the wire


def _direction(change: float) -> str:
    return "up" if change > 0 else "down" if change < 0 else "no_change"
