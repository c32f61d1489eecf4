"""What each run of a soak asks, at which instant of the synthetic market, which faults it meets and when it is killed: from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.soak.steps import ARCHIVE, PUBLICATION
from tests.soak.variety import FAULTS, FaultKind

START = datetime(2026, 11, 16, 15, 0, 31, tzinfo=UTC)
# underlying -> (venues that list it, how often it is asked); whole chains of thousands of contracts are rare, so that a soak stays affordable
MARKET: Mapping[str, tuple[tuple[str, ...], int]] = {
    "SOL": (("deribit", "bybit", "okx", "binance"), 32),
    "XRP": (("deribit", "bybit", "binance"), 28),
    "HYPE": (("deribit",), 24),
    "ETH": (("deribit", "bybit", "okx", "binance"), 2),
    "BTC": (("deribit", "bybit", "okx", "binance"), 2),
    "SPY": (("cboe",), 7),
    "SPX": (("cboe",), 2),
}
FAULTY, KILLED, SAME_INSTANT = 0.6, 0.3, 0.1  # shares of the runs
CLOCK, STEP = "clock", "step"
PARTS = {ARCHIVE: 1, PUBLICATION: 3}  # where a kill at a step aims
PHASES = {"start": 1, "fetch": 3, "load": 4, "publish": 4, "close": 1}  # where a kill by the clock aims, and how often


@dataclass(frozen=True)
class Kill:
    """When a run is killed: by the clock after a phase has begun, or before one of its changes to the disk."""

    by: str  # clock or step
    part: str  # phase, or part whose steps are counted
    share: float  # of what the phase, or the steps of the part, usually take


@dataclass(frozen=True)
class RunSpec:
    """One run."""

    number: int
    now: datetime
    underlyings: tuple[str, ...]
    venues: tuple[str, ...]  # none: all that list them
    faults: tuple[str, ...]
    variables: Mapping[str, str]  # settings of this run alone
    kill: Kill | None

    @property
    def kinds(self) -> list[str]:
        """Kinds of its faults."""
        return [fault.split(":")[1] for fault in self.faults]


def watchlist() -> str:
    """The setting that lets a run ask every underlying on all its venues."""
    entries = ", ".join(f'"{name}": {{"venues": [{", ".join(f"{venue!r}" for venue in venues)}]}}' for name, (venues, _) in MARKET.items())
    return f"{{{entries}}}".replace("'", '"')


def make_plan(seed: int, runs: int, names: Sequence[str] = tuple(MARKET)) -> list[RunSpec]:
    """The runs of a seed over some underlyings, the same ones each time; every kind of fault comes up before one comes again."""
    dice = random.Random(seed)
    faults = _in_turns(dice)
    now, specs = START, []
    for number in range(1, runs + 1):
        if dice.random() >= SAME_INSTANT:
            now += timedelta(seconds=dice.randrange(20 * 60, 9 * 3600))
        underlyings = _underlyings(dice, names)
        venues = sorted({venue for name in underlyings for venue in MARKET[name][0]})
        kinds = [next(faults) for _ in range(dice.choice((1, 1, 2)))] if dice.random() < FAULTY else []
        chosen = [(dice.choice([venue for venue in venues if kind.is_of(venue)] or [""]), kind) for kind in kinds]
        chosen = [(venue, kind) for venue, kind in chosen if venue]
        specs.append(
            RunSpec(
                number,
                now,
                tuple(underlyings),
                tuple(dice.sample(venues, dice.randint(1, len(venues)))) if dice.random() < 0.15 else (),
                tuple(kind.spec(venue, dice) for venue, kind in chosen),
                {name: value for venue, kind in chosen for name, value in kind.variables(venue).items()},
                _kill(dice) if dice.random() < KILLED else None,
            )
        )
    return specs


def _underlyings(dice: random.Random, names: Sequence[str]) -> list[str]:
    drawn = dice.choices(names, [MARKET[name][1] for name in names], k=dice.choice((1, 1, 1, 2, 2, 3)))
    return sorted(set(drawn))


def _in_turns(dice: random.Random) -> Iterator[FaultKind]:
    while True:
        deck: Sequence[FaultKind] = dice.sample(FAULTS, len(FAULTS))
        yield from deck


def _kill(dice: random.Random) -> Kill:
    if dice.random() < 0.5:
        return Kill(STEP, dice.choices(list(PARTS), list(PARTS.values()))[0], dice.random())
    return Kill(CLOCK, dice.choices(list(PHASES), list(PHASES.values()))[0], dice.random())
