"""Spot and volatility paths: seeded random walks on a daily grid, anchored to a level at the base date, bridged within the day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np

from flows.demo.market.products import COMMON_CRYPTO_PATH
from flows.demo.market.randomness import Floats, normal
from flows.demo.market.sessions import BASE_DATE, all_sessions

CRYPTO_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
CRYPTO_DAYS = 5840  # to the end of 2039
BRIDGE_STEPS = 78  # five minutes of a regular session, 18 of a crypto day
PULL = 0.996  # levels come back within a year, so that strikes and sizes stay sane for as long as anybody asks
LEVERAGE, VOL_REVERSION, VOL_NOISE = 0.09, 0.94, 0.05  # falling spot lifts volatility; shocks fade over some three weeks


@dataclass(frozen=True)
class Path:
    """Levels at whole clock values (a session's close; 00:00 UTC of a crypto day) and the volatility state, 1.0 on average."""

    name: str
    first: int  # clock of the first level
    levels: Floats
    stress: Floats
    daily_vol: float

    def at(self, clock: Floats | float) -> Floats:
        """Levels at any clock values, log-linear between whole ones; flat beyond the ends."""
        return np.exp(np.interp(clock, np.arange(self.first, self.first + len(self.levels)), np.log(self.levels)))

    def within(self, day: int) -> Floats:
        """Levels through the day that ends at clock `day`, BRIDGE_STEPS + 1 of them, the first the opening."""
        previous, last = np.log(self.levels[day - self.first - 1]), np.log(self.levels[day - self.first])
        opening = previous + 0.35 * (last - previous)  # the overnight gap
        return np.exp(self._bridge(day, opening, last))

    def around_the_clock(self, clock: float) -> float:
        """The level at a fractional clock value of a market that never closes."""
        day = int(np.floor(clock))
        low, high = np.log(self.levels[day - self.first]), np.log(self.levels[day - self.first + 1])
        return float(np.exp(np.interp((clock - day) * BRIDGE_STEPS, np.arange(BRIDGE_STEPS + 1), self._bridge(day, low, high))))

    def stress_at(self, clock: float) -> float:
        """The volatility state at a clock value, rounded so that prices do not depend on the last bits of a sum."""
        return round(float(np.interp(clock, np.arange(self.first, self.first + len(self.stress)), self.stress)), 6)

    def _bridge(self, day: int, start: float, end: float) -> Floats:
        steps = np.concatenate([[0.0], np.cumsum(normal(f"{self.name} bridge", day, np.arange(BRIDGE_STEPS)))])
        share = np.linspace(0.0, 1.0, BRIDGE_STEPS + 1)
        noise = (steps - share * steps[-1]) * self.daily_vol / np.sqrt(BRIDGE_STEPS) * self.stress[day - self.first]
        return np.asarray(start + share * (end - start) + noise)


@lru_cache(maxsize=16)
def us_path(name: str, anchor: float, annual_vol: float) -> Path:
    """The path of a US index on session numbers; `anchor` is its close in session 0."""
    first = all_sessions()[0].number
    return _walk(name, first, len(all_sessions()), 0, anchor, annual_vol, 252, drift=0.08, common=None, leverage=LEVERAGE)


@lru_cache(maxsize=16)
def crypto_path(name: str, anchor: float, annual_vol: float) -> Path:
    """The path of a coin on days since 2024-01-01 UTC; `anchor` is its level at 00:00 UTC of the base date."""
    base = int(crypto_clock(datetime(BASE_DATE.year, BASE_DATE.month, BASE_DATE.day, tzinfo=UTC)))
    return _walk(name, 0, CRYPTO_DAYS, base, anchor, annual_vol, 365, drift=0.10, common=COMMON_CRYPTO_PATH, leverage=LEVERAGE / 4)


def crypto_clock(instant: datetime) -> float:
    """Days since 2024-01-01 00:00 UTC."""
    return (instant - CRYPTO_EPOCH) / timedelta(days=1)


def _walk(
    name: str,
    first: int,
    days: int,
    base: int,
    anchor: float,
    annual_vol: float,
    per_year: int,
    drift: float,
    common: str | None,
    leverage: float,
) -> Path:
    clocks = np.arange(first, first + days)
    shocks = normal(f"{name} return", clocks)
    if common is not None:  # coins move together
        shocks = 0.8 * normal(f"{common} return", clocks) + 0.6 * shocks
    surprises = normal(f"{name} volatility", clocks)
    daily_vol = annual_vol / per_year**0.5
    log_level, log_stress = np.zeros(days), np.zeros(days)
    for day in range(1, days):
        log_stress[day] = VOL_REVERSION * log_stress[day - 1] - leverage * shocks[day] + VOL_NOISE * surprises[day]
        move = daily_vol * np.exp(log_stress[day - 1]) * shocks[day]
        log_level[day] = PULL * log_level[day - 1] + drift / per_year + move
    levels: Floats = anchor * np.exp(log_level - log_level[base - first])
    stress: Floats = np.exp(log_stress)
    return Path(name, first, levels.round(6), stress.round(6), daily_vol)
