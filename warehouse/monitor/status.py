"""`strikehouse status`: the content of status.json, and its current freshness."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from models.errors import UsageError
from warehouse.home.paths import Home
from warehouse.monitor.alert_outbox import outbox_as_status
from warehouse.monitor.freshness import Freshness, freshness, read_trading_calendar
from warehouse.publish.status import read_status
from warehouse.settings import Settings


def read_freshness(
    home: Home, settings: Settings, now: datetime, underlyings: Collection[str] = (), venues: Collection[str] = ()
) -> tuple[dict[str, Any], list[Freshness]]:
    """The last status, with alerts raised since, and the freshness of these underlyings and venues (empty: all) at an aware instant.

    Raises `PublicationMissing`, `PublicationUnreadable`, and `UsageError` for an underlying or venue that was never requested.
    """
    state = read_status(home)
    state |= {"alerts": [*state["alerts"], *outbox_as_status(home)]}
    for names, key in ((underlyings, "underlying"), (venues, "venue")):
        known = {one[key] for one in state["venues"]}
        if unknown := sorted(set(names) - known):
            raise UsageError(f"{', '.join(unknown)}: no run has asked for that {key}. Known: {', '.join(sorted(known)) or 'none'}.")
    selected = [
        one for one in state["venues"] if (not underlyings or one["underlying"] in underlyings) and (not venues or one["venue"] in venues)
    ]
    return state, freshness(selected, settings.freshness, now, read_trading_calendar(home), settings.watchlist)
