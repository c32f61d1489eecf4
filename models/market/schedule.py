"""Decides whether a scheduled run runs, runs late or is skipped, and why.

A schedule gives due instants; a machine that was off, or busy, reaches them later. For every due instant there is one decision:

    skipped   its day has no US session; or the next run has come due; or the market has changed in between (the US opens or closes,
              crypto settles at 08:00 UTC), so that what this run was meant to see is gone
    late      it starts later than the grace, and the market is still what it was meant to see: Friday's close on Sunday
    run       else

A late run is filed under the instant of its data, like any other; the time that it was meant for is in this decision only.
An early close moves nothing: at 16:45 the chain of a session that closed at 13:00 is the chain of its close.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from models.market.calendar import CRYPTO_SETTLEMENT, NEW_YORK, TradingCalendar, new_york_date

RUN, LATE, SKIPPED = "run", "late", "skipped"
US, CRYPTO = "us", "crypto"


@dataclass(frozen=True)
class Decision:
    """The decision for one due instant."""

    due_at: datetime  # UTC
    decided_at: datetime  # UTC
    outcome: str  # run, late or skipped
    reason: str | None  # null for a run on time

    @property
    def is_to_run(self) -> bool:
        """Whether a run starts."""
        return self.outcome != SKIPPED


def decide(
    market: str, due: datetime, start: datetime, *, next_due: datetime | None, calendar: TradingCalendar, grace: timedelta
) -> Decision:
    """The decision for a run that was due and starts now, both aware.

    `next_due`: the next due instant of the same underlying on which it can run, if that has come already.
    """
    due, start = due.astimezone(UTC), start.astimezone(UTC)
    change, what = next_change(market, due, calendar) if has_market(market, due, calendar) else (None, "")
    if change is None:
        return Decision(due, start, SKIPPED, f"{new_york_date(due)} is no US session")
    if next_due is not None and next_due <= start:
        return Decision(due, start, SKIPPED, f"the run due at {_text(next_due)} has taken its place")
    if change <= start:
        return Decision(due, start, SKIPPED, f"{_after(due, start)}, and {what} at {_text(change)} lay between")
    if start - due > grace:
        return Decision(due, start, LATE, _after(due, start))
    return Decision(due, start, RUN, None)


def decide_all(market: str, dues: Sequence[datetime], now: datetime, calendar: TradingCalendar, grace: timedelta) -> list[Decision]:
    """A decision for each due instant up to now, in order of time; at most one runs: the last that can.

    `dues`: all due instants of one underlying since the last decision, sorted, aware; those after now are ignored.
    """
    dues = [due for due in dues if due <= now]
    can_run = [due for due in dues if has_market(market, due, calendar)]
    nexts = dict(pairwise(can_run))
    return [decide(market, due, now, next_due=nexts.get(due), calendar=calendar, grace=grace) for due in dues]


def has_market(market: str, due: datetime, calendar: TradingCalendar) -> bool:
    """Whether the market can be captured on the day of a due instant: crypto always, the US on the days of its sessions (New York)."""
    return market != US or calendar.close_of(new_york_date(due)) is not None


def next_change(market: str, due: datetime, calendar: TradingCalendar) -> tuple[datetime, str]:
    """The first market change after a due instant, which makes its data unavailable: the instant (UTC), and the event."""
    if market == US:
        bell = calendar.next_bell(due)
        return bell, "the close" if calendar.is_open(due) else "the open"
    settlement = datetime.combine(due.astimezone(UTC).date(), CRYPTO_SETTLEMENT, UTC)
    return (settlement if settlement > due else settlement + timedelta(days=1)), "the settlement"


def part_of_day(market: str, due: datetime, calendar: TradingCalendar) -> str:
    """The part of the market day of a due instant, in words such as `before the open`, `after the early close at 13:00`."""
    if market != US:
        settles_soon = next_change(market, due, calendar)[0] - due <= timedelta(hours=1)
        return "before the settlement" if settles_soon else ""
    day = new_york_date(due)
    close = calendar.close_of(day)
    if close is None:
        return f"skipped: {day} is no US session"
    closes = close.astimezone(NEW_YORK)
    early = f"early close at {closes:%H:%M}" if calendar.is_early_close(day) else ""
    if due >= close:
        return f"after the {early or 'close'}"
    return ("in the session" if calendar.is_open(due) else "before the open") + (f", {early}" if early else "")


def _after(due: datetime, start: datetime) -> str:
    minutes = int((start - due).total_seconds() // 60)
    days, minutes = divmod(minutes, 24 * 60)
    parts = [f"{days} d"] if days else []
    return f"started {' '.join([*parts, f'{minutes // 60} h {minutes % 60} min'])} after it was due"


def _text(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
