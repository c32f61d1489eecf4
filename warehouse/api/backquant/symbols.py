"""Symbols of this dialect: crypto as `{BASE}USDT`, US underlyings by their ticker."""

from __future__ import annotations

from warehouse.api.backquant.errors import invalid
from warehouse.api.backquant.queries import text_of
from warehouse.client.warehouse import Warehouse

PUBLISHED = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "HYPEUSDT")
QUOTE = "USDT"
VENUES = {"crypto": ("deribit", "bybit", "okx", "binance"), "us": ("cboe",)}  # display order


def symbol_of(underlying: str, market: str) -> str:
    """The symbol of an underlying in this dialect."""
    return f"{underlying}{QUOTE}" if market == "crypto" else underlying


def supported(wh: Warehouse) -> dict[str, tuple[str, str]]:
    """Symbol → (underlying, market): the published ones, and all that is stored."""
    known = {symbol: (symbol.removesuffix(QUOTE), "crypto") for symbol in PUBLISHED}
    stored = wh.index(text_of("underlyings"), {})
    return known | {symbol_of(name, market): (name, market) for name, market in stored.rows()}


def underlying_of(symbol: str, known: dict[str, tuple[str, str]]) -> tuple[str, str]:
    """Underlying and market of a symbol; raises `Invalid`, which names the accepted form."""
    if symbol in known:
        return known[symbol]
    advice = f"use {symbol}{QUOTE}" if f"{symbol}{QUOTE}" in known else "GET /v2/symbols lists them"
    raise invalid("symbol", "literal_error", f"{symbol} is not a known symbol; {advice}")


def in_order(venues: list[str] | tuple[str, ...], market: str) -> tuple[str, ...]:
    """Venues in the display order of this dialect; unknown ones come last."""
    order = VENUES[market]
    return tuple(sorted(venues, key=lambda venue: (order.index(venue) if venue in order else len(order), venue)))
