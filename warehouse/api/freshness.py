"""Freshness of the served data, computed from published/status.json at request time, as in `strikehouse status`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from warehouse.home.paths import Home
from warehouse.monitor.freshness import STALE, Freshness, freshness, read_trading_calendar
from warehouse.settings import Settings

STATES = ("healthy", "degraded", "unhealthy", "unavailable")  # from best to worst, by their names in both dialects


def fresh(home: Home, written: dict[str, Any], settings: Settings, now: datetime) -> list[Freshness]:
    """Per underlying and venue of a status, the current age of its last usable data."""
    return freshness(written["venues"], settings.freshness, now, read_trading_calendar(home), settings.watchlist)


def state_of(one: Freshness) -> str:
    """The name of a state in the dialects: `stale` and very late data are unhealthy; unavailable means never received."""
    if one.captured_at is None:
        return "unavailable"
    return "unhealthy" if one.is_at_least(STALE) else one.state


def worst(states: list[str]) -> str:
    """The worst of several states; unavailable when there are none."""
    return max(states, key=STATES.index, default="unavailable")


def by_underlying(records: list[Freshness]) -> dict[str, str]:
    """State of each underlying: that of its best venue; `/v2/status` reports all venues."""
    names = sorted({one.underlying for one in records})
    return {name: min((state_of(one) for one in records if one.underlying == name), key=STATES.index) for name in names}


def watched_states(records: list[Freshness]) -> dict[str, str]:
    """State of each underlying that counts: those of the watchlist; without any of them, all."""
    watched = [one for one in records if one.is_watched]
    return by_underlying(watched or records)
