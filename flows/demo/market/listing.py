"""Which expiries are listed at an instant, and their strikes: US classes by kind of session, Deribit by its listing policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from flows.demo.market.paths import Path, crypto_clock
from flows.demo.market.products import Band, CryptoProduct, Kind, UsProduct
from flows.demo.market.randomness import Floats
from flows.demo.market.sessions import NEW_YORK, Session, all_sessions

AM_SETTLED_ROOT = "SPX"
FINER_LAST = 10  # sessions before expiry in which the strikes of a daily are added
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Expiry:
    """One listed expiry of one root; `listed` and `expires` on the clock of the underlying's path."""

    root: str
    day: date
    expires_at: datetime
    kind: str
    listed: float
    expires: float
    open_interest: float
    strikes: Floats


def us_expiries(product: UsProduct, listing: int, last: int, path: Path) -> list[Expiry]:
    """Expiries that a US feed lists in session `listing`, by root, then date; session `last` is that of the last trade."""
    roots = dict.fromkeys(root for root, _ in product.kinds)
    horizon = max(kind.life for kind in product.kinds.values())
    today = listing - all_sessions()[0].number
    ahead = all_sessions()[today : today + horizon + 1]
    expiries = []
    for root in roots:
        for each in ahead:
            name = _us_kind(product, root, each)
            kind = product.kinds.get((root, name)) if name else None
            if name is not None and kind is not None and each.number - listing <= kind.life:
                finer_last = 0 if name == "adjusted" else FINER_LAST  # nobody adds strikes to an adjusted class
                strikes = _us_strikes(product, kind, each.number, last, path, finer_last)
                is_am = root == AM_SETTLED_ROOT
                expires_at = datetime.combine(each.date, time(9, 30), NEW_YORK).astimezone(UTC) if is_am else each.closes_at
                expires = each.number - 0.8 if is_am else float(each.number)
                expiries.append(
                    Expiry(root, each.date, expires_at, name, each.number - kind.life - 1, expires, kind.open_interest, strikes)
                )
    return expiries


def crypto_expiries(product: CryptoProduct, now: datetime, path: Path) -> list[Expiry]:
    """Expiries that Deribit lists at an instant, by date; all settle at 08:00 UTC."""
    listed = []
    for day in sorted(_crypto_days(now, product.lists_all)):
        name = crypto_kind(day)
        kind = product.kinds[name]
        expires_at = datetime.combine(day, time(8), UTC)
        expires = crypto_clock(expires_at)
        today = crypto_clock(now) + 1  # the walk of a day lies between two whole clock values
        strikes = _ladder(kind.bands, *_range(path, expires - kind.life, today), unit=product.unit)
        weekly = product.kinds["weekly"]
        if kind.life > weekly.life >= expires - today:
            strikes = np.union1d(strikes, _ladder(weekly.bands, *_range(path, expires - weekly.life, today), unit=product.unit))
        size = kind.open_interest * product.size
        listed.append(Expiry(product.book, day, expires_at, name, expires - kind.life - 0.5, expires, size, strikes))
    return listed


def crypto_kind(day: date) -> str:
    """daily, weekly, monthly or quarterly: the longest label that fits a date."""
    if day.weekday() != 4:
        return "daily"
    if (day + WEEK).month == day.month:
        return "weekly"
    return "quarterly" if day.month % 3 == 0 else "monthly"


def _us_kind(product: UsProduct, root: str, each: Session) -> str | None:
    is_quarter = each.date.month % 3 == 0
    if root == AM_SETTLED_ROOT:
        return None if not each.is_third_friday else "december" if each.date.month == 12 else "quarterly" if is_quarter else "monthly"
    if root != product.symbol and (root, "daily") not in product.kinds:
        return "adjusted" if each.is_third_friday and is_quarter else None
    if each.is_last_of_month:
        return "quarter_end" if is_quarter else "month_end"
    if each.is_third_friday:
        third = "january" if each.date.month == 1 else "quarterly" if is_quarter else "monthly"
        return third if (root, third) in product.kinds else "third_friday"
    return "weekly" if each.is_last_of_week else "daily"


def _us_strikes(product: UsProduct, kind: Kind, expires: int, last: int, path: Path, finer_last: int) -> Floats:
    scale = product.spot_per_index
    strikes = _ladder(kind.bands, *_range(path, expires - kind.life, last, scale))
    if expires - last <= finer_last:
        daily = next(each for (_, name), each in product.kinds.items() if name == "daily")
        strikes = np.union1d(strikes, _ladder(daily.bands, *_range(path, expires - finer_last, last, scale)))
    return strikes


def _crypto_days(now: datetime, lists_all: bool) -> set[date]:
    """Deribit's policy (venues §1.5): BTC and ETH 3 dailies, 3 weeklies, 3 monthlies, 4 quarterlies; others 2, 2, 1 and 1.

    The others' next monthly joins 22 days before the present one expires.
    """
    first = now.date() if now.astimezone(UTC).time() < time(8) else now.date() + timedelta(days=1)
    friday = first + timedelta(days=(4 - first.weekday()) % 7)
    fridays = [friday + weeks * WEEK for weeks in range(60)]
    monthlies = [day for day in fridays if crypto_kind(day) in ("monthly", "quarterly")]
    quarterlies = [day for day in fridays if crypto_kind(day) == "quarterly"]
    dailies = [first + timedelta(days=days) for days in range(3)]
    if lists_all:
        return {*dailies, *fridays[:3], *monthlies[:3], *quarterlies[:4]}
    months = 2 if monthlies[0] - first <= timedelta(days=22) else 1
    return {*dailies[:2], *fridays[:2], *monthlies[:months], quarterlies[0]}


def _range(path: Path, listed: float, known: float, scale: float = 1.0) -> tuple[float, float]:
    """Lowest and highest level while an expiry was listed, so that a strike, once listed, stays."""
    first = max(int(np.floor(min(listed, known))), path.first)
    levels = path.levels[first - path.first : max(int(np.floor(known)), first) - path.first + 1]
    return float(levels.min()) * scale, float(levels.max()) * scale


def _ladder(bands: tuple[Band, ...], lowest: float, highest: float, unit: float = 1.0) -> Floats:
    """Sorted strikes of all bands together, steps in `unit`s; the lowest is one step."""
    parts = []
    for steps, below, above in bands:
        step = steps * unit
        first, last = np.ceil(lowest * (1 - below) / step), np.floor(highest * (1 + above) / step)
        parts.append(np.arange(max(first, 1), last + 1) * step)
    return np.unique(np.round(np.concatenate(parts), 6))
