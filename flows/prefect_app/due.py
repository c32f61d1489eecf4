"""When runs are due: the watchlist's cron lines as instants, and as the deployments that Prefect serves.

The instants are those of Prefect's own reader of cron lines, so that both agree on every daylight-saving change.
Import this module after `set_prefect_environment`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prefect.server.schemas.schedules import CronSchedule

from flows.sources.registry import SOURCES
from models.market.schedule import CRYPTO, US
from warehouse.settings import Watch

FURTHEST = timedelta(days=5 * 366)  # 29 February comes every four years, but for 2100
MONTH, HALF_DAY = timedelta(days=31), timedelta(hours=12)


@dataclass(frozen=True)
class Deployment:
    """Underlyings with the same cron lines in the same zone: they are due together, so a book that holds several is fetched once."""

    name: str
    underlyings: tuple[str, ...]
    schedule: tuple[str, ...]
    timezone: str


def deployments(watchlist: Mapping[str, Watch]) -> list[Deployment]:
    """The deployments of a watchlist, in its order; underlyings without a schedule are in none."""
    together: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for underlying, watch in watchlist.items():
        if watch.schedule:
            together.setdefault((watch.schedule, watch.timezone), []).append(underlying)
    return [
        Deployment("+".join(underlyings), tuple(underlyings), schedule, timezone) for (schedule, timezone), underlyings in together.items()
    ]


def market_of(watch: Watch) -> str:
    """`us` when any of its venues is a US one."""
    return US if any(SOURCES[venue].market == US for venue in watch.venues) else CRYPTO


def due_instants(watch: Watch, after: datetime, until: datetime) -> list[datetime]:
    """All due instants of a schedule with `after` < due <= `until` (aware), in UTC, sorted, each once."""
    return sorted({due for line in watch.schedule for due in _dues(line, watch.timezone, after, until)})


def next_dues(watch: Watch, after: datetime, count: int) -> list[datetime]:
    """The next due instants of a schedule after an aware instant, in UTC; fewer only when five years hold fewer."""
    reach = timedelta(days=8)
    while len(instants := due_instants(watch, after, after + reach)) < count and watch.schedule and reach < FURTHEST:
        reach = min(reach * 8, FURTHEST)
    return instants[:count]


def _dues(line: str, timezone: str, after: datetime, until: datetime) -> list[datetime]:
    """Of one line; in pieces, because Prefect gives up after a thousand instants."""
    schedule = CronSchedule(cron=line, timezone=timezone)
    span = MONTH if line.split(maxsplit=1)[0].isdecimal() else HALF_DAY
    dues: list[datetime] = []
    start = after
    while start < until:
        end = min(start + span, until)
        dues += asyncio.run(schedule.get_dates(start=start, end=end))
        start = end
    return [due for due in (datetime.fromtimestamp(one.timestamp(), UTC) for one in dues) if after < due <= until]
