"""What would run next: `strikehouse schedule --list`. Import this module after `set_prefect_environment`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flows.prefect_app.due import market_of, next_dues
from models.market.calendar import TradingCalendar
from models.market.schedule import part_of_day
from warehouse.settings import Settings


def next_runs(settings: Settings, now: datetime) -> list[dict[str, Any]]:
    """The next due instant of each cron line of each underlying, in order of time; underlyings without a schedule last, with nothing due.

    Columns: due_utc, due_local, timezone, underlying, venues, schedule (the cron line), note (what the instant is to its market).
    """
    calendar = TradingCalendar.new_york()
    rows: list[dict[str, Any]] = []
    for underlying, watch in settings.watchlist.items():
        for line in watch.schedule or (None,):
            (due,) = next_dues(watch.model_copy(update={"schedule": (line,)}), now, 1) if line else (None,)
            rows.append(
                {
                    "due_utc": f"{due:%Y-%m-%d %H:%M}" if due else None,
                    "due_local": f"{due.astimezone(ZoneInfo(watch.timezone)):%a %Y-%m-%d %H:%M}" if due else None,
                    "timezone": watch.timezone,
                    "underlying": underlying,
                    "venues": ", ".join(watch.venues),
                    "schedule": line,
                    "note": part_of_day(market_of(watch), due, calendar) if due else "no schedule",
                }
            )
    return sorted(rows, key=lambda row: (row["due_utc"] is None, row["due_utc"] or ""))
