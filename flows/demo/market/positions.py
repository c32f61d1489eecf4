"""Open interest and volume: opened bit by bit around the spots of the past, at round strikes first, puts below and calls above."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flows.demo.market.listing import Expiry
from flows.demo.market.randomness import Floats, bits, normal, uniform, wandering

# Ages (clock units) between which positions are grouped: each group was opened around the spot of its time.
AGES = np.array([0.0, 1, 2, 4, 7, 11, 16, 24, 40, 64, 100, 160, 256, 400, 800])
GROWTH = 0.85  # open interest grows almost in proportion to an expiry's age
HOLDING_TIME = 25.0
WANDERING_DAYS = 5.0
IDLE_LOTS = 12  # a contract that expects fewer lots may have none
QUIET_LOTS = 30  # a contract that expects fewer lots a day has days without a trade


@dataclass(frozen=True)
class Holders:
    """How the holders of one root behave."""

    name: str
    spot_at: Callable[[Floats], Floats]
    roundness: dict[float, float]
    call_share: float
    daily_vol: float  # deviation of a clock unit
    lot: float
    day_trading: float  # volume on the last day beyond what moves open interest
    day_trading_fade: float  # how fast that falls per clock unit of remaining life

    def open_interest(self, expiry: Expiry, clock: float) -> tuple[Floats, Floats]:
        """Open interest of calls and puts at each strike at a clock value, in whole lots."""
        sides = []
        for raw, is_call in zip(self._raw(expiry, clock), (True, False), strict=True):
            lots = raw / self.lot
            is_open = lots > -IDLE_LOTS * np.log(uniform(f"{self.name} idle", *self._keys(expiry, is_call)))
            sides.append(np.floor(lots * is_open) * self.lot)
        return sides[0], sides[1]

    def volume(self, expiry: Expiry, clock: float, share_of_day: float = 1.0) -> tuple[Floats, Floats]:
        """Volume of the day that ends at a clock value: what changed hands to move the open interest, and day trading near spot."""
        before, after = self._raw(expiry, clock - 1), self._raw(expiry, clock)
        left = max(expiry.expires - clock, 0.0)
        is_traded = expiry.expires > clock - 0.5  # morning-settled series stopped the day before
        interest = expiry.open_interest * self._grown(expiry, np.array([clock]))[0]
        turnover = is_traded * (self.day_trading * np.exp(-self.day_trading_fade * left) + 0.1 * interest / (1 + left))
        width = self.daily_vol * np.sqrt(left + 0.5)
        away = np.log(expiry.strikes / self.spot_at(np.array([clock]))) / width
        day = int(np.floor(clock))
        sides = []
        for is_call in (True, False):
            keys = self._keys(expiry, is_call)
            near = np.exp(-np.abs(away - (0.5 if is_call else -0.7)) / 0.9) * np.sqrt(self._round(expiry.strikes))
            noise = np.exp(0.9 * normal(f"{self.name} volume", *keys, day))
            trading = turnover * (self.call_share if is_call else 1 - self.call_share) * near * noise / near.sum()
            moved = is_traded * np.abs(after[not is_call] - before[not is_call]) * (1 + uniform(f"{self.name} moved", *keys, day))
            expected = share_of_day * (moved + trading) / self.lot
            has_traded = uniform(f"{self.name} traded", *keys, day) > np.exp(-expected / QUIET_LOTS)
            sides.append(np.floor(expected * has_traded) * self.lot)
        return sides[0], sides[1]

    def _raw(self, expiry: Expiry, clock: float) -> tuple[Floats, Floats]:
        edges = np.maximum(clock - AGES, expiry.listed)
        opened = -np.diff(self._grown(expiry, edges))
        middles = (edges[:-1] + edges[1:]) / 2
        width = self.daily_vol * np.sqrt(np.maximum(expiry.expires - middles, 2.0))
        away = np.log(expiry.strikes / self.spot_at(middles)[:, None]) / width[:, None]
        # Positions are rolled along with spot: what was opened long ago says little about where they are now.
        remaining = opened * (0.05 + 0.95 * np.exp(-(clock - middles) / HOLDING_TIME))
        call = remaining @ _bump(away, centre=0.50, inner=0.52, outer=0.70)
        put = remaining @ _bump(away, centre=-0.55, inner=0.52, outer=1.05)
        odds = self.call_share / (1 - self.call_share) * np.exp(0.22 * normal(f"{self.name} side", expiry.day.toordinal()))
        sides = []
        for shape, is_call in ((call, True), (put, False)):
            keys = self._keys(expiry, is_call)
            taste = 0.75 * normal(f"{self.name} taste", *keys) + 0.10 * wandering(f"{self.name} mood", clock / WANDERING_DAYS, *keys)
            block = np.where(uniform(f"{self.name} block", *keys) < 0.012, 5.0, 1.0)  # now and then someone holds a lot of one contract
            weight = shape * self._round(expiry.strikes) * np.exp(taste) * block
            share = (odds if is_call else 1) / (1 + odds)
            total = expiry.open_interest * share * opened.sum() * np.exp(0.25 * normal(f"{self.name} size", expiry.day.toordinal()))
            sides.append(total * weight / max(weight.sum(), 1e-300))
        return sides[0], sides[1]

    def _grown(self, expiry: Expiry, clock: Floats) -> Floats:
        return np.asarray(np.clip((clock - expiry.listed) / (expiry.expires - expiry.listed), 0.0, 1.0) ** GROWTH)

    def _round(self, strikes: Floats) -> Floats:
        weight = np.full(len(strikes), min(self.roundness.values()))
        for multiple in sorted(self.roundness):
            is_multiple = np.abs(strikes / multiple - np.round(strikes / multiple)) < 1e-6
            weight[is_multiple] = self.roundness[multiple]
        return weight

    def _keys(self, expiry: Expiry, is_call: bool) -> tuple[int, Floats]:
        return expiry.day.toordinal() * 2 + int(is_call), np.round(expiry.strikes * 10_000)


def name_key(names: list[str], salt: str) -> Floats:
    """A number in (0, 1) per name, for choices that must not depend on the order of rows."""
    return uniform(salt, np.array([int(bits(name)) & 0x7FFFFFFFFFFFFFFF for name in names]))


def _bump(away: Floats, centre: float, inner: float, outer: float) -> Floats:
    """A two-sided exponential bump: `inner` is its width towards (and through) the money, `outer` away from it."""
    distance = (away - centre) * np.sign(centre)
    return np.asarray(np.exp(-np.where(distance > 0, distance / outer, -distance / inner)))
