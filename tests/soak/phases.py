"""How far a run has come, seen from outside: from the times at which a few files and folders of the home last changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from warehouse.home.paths import Home

ORDER = ("start", "fetch", "load", "publish", "close")  # of a run; `fetch` archives each reply as it comes
POLL_SECONDS = 0.001


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


@dataclass(frozen=True)
class Traces:
    """What a home looked like before a run."""

    home: Home
    raw: int
    runs: int
    generations: int
    status: int

    @classmethod
    def of(cls, home: Home) -> Traces:
        """As it looks now."""
        return cls(
            home,
            _last_folder(home),
            _changed(home.runs),
            _changed(home.published / "generations"),
            _changed(home.status_file),
        )

    def phase(self) -> str:
        """The phase that a run has reached since."""
        if _changed(self.home.status_file) != self.status:
            return "close"
        if _changed(self.home.published / "generations") != self.generations:
            return "publish"
        if _changed(self.home.runs) != self.runs:
            return "load"
        return "start" if _last_folder(self.home) == self.raw else "fetch"

    def wait_for(self, phase: str, *, is_over: Callable[[], bool]) -> bool:
        """Wait until a run has reached a phase; False when it ended before."""
        while ORDER.index(self.phase()) < ORDER.index(phase):
            if is_over():
                return False
            time.sleep(POLL_SECONDS)
        return True


def _last_folder(home: Home) -> int:
    """When a folder of replies was last added to raw/."""
    days = (max(venue.iterdir(), default=None) for venue in home.raw.glob("[!_]*"))
    return max((_changed(day) for day in days if day is not None), default=0)
