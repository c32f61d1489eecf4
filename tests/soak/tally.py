"""What happened in a soak, counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.soak.job import Ending
from tests.soak.plan import RunSpec
from tests.soak.steps import PUBLICATION

CODES = {0: "done", 1: "nothing usable", 3: "some venues failed", 4: "set aside", None: "killed"}


@dataclass
class Tally:
    """Counts of one soak."""

    runs: int = 0
    requested: int = 0  # underlyings
    is_cut: bool = False  # the time was over before the plan was
    endings: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)  # by phase, and how
    missed_kills: int = 0  # the run ended first
    steps: Counter[str] = field(default_factory=Counter)  # what a kill at a step kept from happening
    faults: Counter[str] = field(default_factory=Counter)
    end: Mapping[str, object] = field(default_factory=dict)  # what was found when all had ended
    slowest: tuple[float, int] = (0.0, 0)  # seconds, number

    def add(self, spec: RunSpec, ending: Ending, seconds: float) -> None:
        """Count one run."""
        self.runs += 1
        self.slowest = max(self.slowest, (seconds, spec.number))
        self.requested += len(spec.underlyings)
        self.faults.update(spec.kinds)
        self.endings[CODES[ending.code]] += 1
        if ending.killed_in is not None:
            self.kills[f"{ending.killed_in} ({'clock' if ending.step is None else 'step'})"] += 1
            if ending.step is not None:
                self.steps[_named(ending.step)] += 1
        elif spec.kill is not None:
            self.missed_kills += 1

    def text(self) -> str:
        """The summary."""
        lines = {
            "runs": f"{self.runs}{', then the time was over' if self.is_cut else ''} ({_listed(self.endings)})",
            "underlyings asked": self.requested,
            "kills": f"{sum(self.kills.values())} ({_listed(self.kills)}); {self.missed_kills} came too late",
            "kills at a step, before": _listed(self.steps),
            "faults": f"{sum(self.faults.values())} ({_listed(self.faults)})",
            "slowest run": f"{self.slowest[0]:.1f} s, number {self.slowest[1]}",
            **self.end,
        }
        return "\n".join(f"{name + ':':<26}{value}" for name, value in lines.items())


def _named(step: str) -> str:
    """A change to the disk without the names of one run: `publication os.link published/strikehouse.duckdb`."""
    part, _, rest = step.partition(" step ")
    event, *paths = rest.split(": ")[1].split(" ")
    file = re.sub(r"^\.|\.\d+\.tmp$|\.tmp$", "", paths[-1].split("/")[-1]) if part == PUBLICATION else "a reply"
    return f"{event.removeprefix('os.')} {re.sub(r'^[0-9]{6}', 'N', file)}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
