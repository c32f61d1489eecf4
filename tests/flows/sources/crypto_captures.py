"""Recorded replies of the crypto venues, as they would have been fetched."""

from __future__ import annotations

from pathlib import Path

from models.chain import RawPayload
from tests.flows.sources.conftest import recorded

MARCH, OCTOBER = "2026-03-13", "2023-10-20T12"
OKX_REPLIES = ("instruments", "open-interest", "opt-summary", "mark-price", "tickers")


def deribit(recordings: Path) -> list[RawPayload]:
    """BTC; the USDC book is empty."""
    files = {
        "instruments": "instruments_BTC_option.json.gz",
        "book-summary": "book_summary_BTC_option.json.gz",
        "index-btc_usd": "index_price_btc_usd.json.gz",
    }
    inverse = [recorded(recordings, "deribit", MARCH, file, "BTC", name) for name, file in files.items()]
    return [*inverse, *(recorded(recordings, "deribit", MARCH, "empty.json.gz", "USDC", name) for name in ("instruments", "book-summary"))]


def bybit(recordings: Path) -> list[RawPayload]:
    """BTC, on two pages."""
    files = {f"instruments-{page}": f"instruments_BTC_page{page}.json.gz" for page in (1, 2)} | {"tickers": "tickers_BTC.json.gz"}
    return [recorded(recordings, "bybit", MARCH, file, "BTC", name) for name, file in files.items()]


def okx(recordings: Path, coin: str = "BTC") -> list[RawPayload]:
    """Both families of a coin, and its index."""
    families = {f"{coin}-USD": f"{coin.lower()}usd", f"{coin}-USD_UM": f"{coin.lower()}usd_um"}
    replies = [
        recorded(recordings, "okx", MARCH, f"{name.replace('-', '_')}_{file}.json.gz", family, name)
        for family, file in families.items()
        for name in OKX_REPLIES
    ]
    return [*replies, recorded(recordings, "okx", MARCH, f"index_{coin.lower()}usd.json.gz", f"{coin}-USD_UM", "index")]


def binance(recordings: Path) -> list[RawPayload]:
    """BTC, with its seven expiries."""
    days = ("231027", "231103", "231124", "231229", "240329", "240628", "240927")
    own = {"exchange-info": "exchangeInfo.json.gz", "index": "index_BTCUSDT.json.gz"}
    own |= {f"open-interest-{day}": f"openInterest_BTC_{day}.json.gz" for day in days}
    return [
        *(recorded(recordings, "binance", OCTOBER, f"{name}.json.gz", "global", name) for name in ("mark", "ticker")),
        *(recorded(recordings, "binance", OCTOBER, file, "BTC", name) for name, file in own.items()),
    ]
