"""Changes to files below a home, counted as Python announces them, so that a process can be killed just before the n-th.

DuckDB's own writes are not announced; kills by the clock hit those.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path

ARCHIVE, PUBLICATION, MAINTENANCE = "archive", "publication", "maintenance"
CHANGES = {"os.rename", "os.chmod", "os.link", "os.remove", "os.mkdir", "os.truncate", "shutil.copyfile"}


class Steps:
    """Counts the changes that a run makes until its manifest is in raw/, its archive, and those after it, its publication; or maintenance.

    `arm(part, n)` has this process killed before the n-th change of one of these parts.
    """

    def __init__(self, home: Path, last_words: int) -> None:
        self._home, self._last_words = f"{home}/", last_words  # a file descriptor
        self._counts: Counter[str] = Counter()
        self._part, self._fatal = ARCHIVE, ("", 0)
        sys.addaudithook(self._see)

    @property
    def counts(self) -> dict[str, int]:
        """Changes of each part since it was armed."""
        return dict(self._counts)

    def arm(self, part: str, fatal: int) -> None:
        """Count from zero; 0 is never fatal."""
        self._counts.clear()
        self._part, self._fatal = MAINTENANCE if part == MAINTENANCE else ARCHIVE, (part, fatal)

    def _see(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            is_change = isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        else:
            is_change = event in CHANGES
        if not is_change:
            return
        paths = [str(one) for one in arguments if isinstance(one, str | os.PathLike) and str(one).startswith(self._home)]
        if not paths:
            return
        self._counts[self._part] += 1
        if (self._part, self._counts[self._part]) == self._fatal:
            words = f"{self._part} step {self._fatal[1]}: {event} {' '.join(path.removeprefix(self._home) for path in paths)}\n"
            os.write(self._last_words, words.encode())
            os.kill(os.getpid(), signal.SIGKILL)
        if event == "os.rename" and paths[-1].startswith(f"{self._home}raw/_runs/"):
            self._part = PUBLICATION
