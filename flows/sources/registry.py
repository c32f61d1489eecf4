"""The registry of sources, by venue name."""

from __future__ import annotations

from flows.sources.binance import Binance
from flows.sources.bybit import Bybit
from flows.sources.cboe import Cboe
from flows.sources.deribit import Deribit
from flows.sources.okx import Okx
from flows.sources.source import Source
from models.errors import UsageError
from warehouse.settings import Settings

SOURCES: dict[str, type[Source]] = {
    "cboe": Cboe,
    "deribit": Deribit,
    "bybit": Bybit,
    "okx": Okx,
    "binance": Binance,
}


def source(name: str, settings: Settings) -> Source:
    """The source of a venue. Raises `UsageError` for a venue that is not known."""
    if name not in SOURCES:
        raise UsageError(f"No venue is called {name!r}. Known venues: {', '.join(sorted(SOURCES))}.")
    return SOURCES[name](getattr(settings.sources, name))
