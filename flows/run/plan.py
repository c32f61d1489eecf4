"""What a run asks: underlyings, their venues, and the books that hold them, each fetched once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flows.sources.registry import SOURCES, source
from flows.sources.source import Source
from models.chain import Book
from models.errors import UsageError
from warehouse.settings import Settings


@dataclass(frozen=True)
class Ask:
    """One underlying on one venue, and the books that hold it there."""

    underlying: str
    venue: str
    books: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """One run."""

    run_id: str
    started_at: datetime  # UTC, aware
    asks: tuple[Ask, ...]
    is_synthetic: bool = False  # of the demo's market

    @property
    def underlyings(self) -> list[str]:
        """Each underlying once, in the order asked."""
        return list(dict.fromkeys(ask.underlying for ask in self.asks))

    def books(self) -> dict[str, list[Book]]:
        """Venue → its books, each once."""
        books: dict[str, dict[str, Book]] = {}
        for ask in self.asks:
            for name in ask.books:
                books.setdefault(ask.venue, {}).setdefault(name, Book(ask.venue, name))
        return {venue: list(by_name.values()) for venue, by_name in books.items()}


def make_plan(underlyings: Sequence[str], venues: Sequence[str], settings: Settings, now: datetime) -> Plan:
    """The plan for these underlyings and venues; empty ones mean the watchlist's.

    Raises `UsageError` for an unknown venue, or an underlying that is not watched and for which no venue is named.
    """
    for venue in venues:
        if venue not in SOURCES:
            raise UsageError(f"No venue is called {venue!r}. Known venues: {', '.join(sorted(SOURCES))}.")
    asks = []
    for underlying in dict.fromkeys(name.upper().lstrip("_") for name in underlyings) or settings.watchlist:
        watch = settings.watchlist.get(underlying)
        if not venues and watch is None:
            raise UsageError(f"{underlying} is not in the watchlist: say where it is listed, for example --venue cboe.")
        watched = watch.venues if watch else ()
        # of several venues named, an underlying is asked on those where it is watched; one that is watched on none of them, on all
        chosen = [venue for venue in venues if venue in watched] or (venues if underlyings else []) if venues else watched
        for venue in dict.fromkeys(chosen):
            asks.append(Ask(underlying, venue, tuple(book.name for book in source(venue, settings).books(underlying))))
    if not asks:
        raise UsageError(f"Nothing in the watchlist is on {', '.join(venues)}: name an underlying.")
    return Plan(f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}", now, tuple(asks))


def sources_of(plan: Plan, settings: Settings) -> dict[str, Source]:
    """The sources that a plan needs, by venue."""
    return {venue: source(venue, settings) for venue in plan.books()}
