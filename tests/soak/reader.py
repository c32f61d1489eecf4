"""`python -m tests.soak.reader HOME`: opens what is published again and again until its input ends; then one JSON line of what it saw.

It does not stop at a failure: all of them are told.
"""

from __future__ import annotations

import json
import select
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import duckdb

from tests.soak.publication import flaws, generation_of, hash_flaw, row_counts
from warehouse.home.paths import Home
from warehouse.publish.generations import live_manifest
from warehouse.publish.status import read_status
from warehouse.read.query import open_published

BUSY = 1 / 3  # of the time; the runs need the processor too
CHECKS_PER_CONNECTION = 25  # so long one connection stays open while generations pass
HASHED = 10  # every so many generations the live file is hashed
MOST_FAILURES = 20


@dataclass
class Seen:
    """What a reader saw."""

    checks: int = 0
    open_connection_checks: int = 0
    hashed: int = 0
    generations: set[int] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)


class Reader:
    """Opens the published file as an analyst's client and as our own commands do, by turns."""

    def __init__(self, home: Home) -> None:
        self.home, self.seen = home, Seen()
        self._newest = 0
        self._connections = ExitStack()
        self._open_con: duckdb.DuckDBPyConnection | None = None
        self._open_rows: dict[str, int] = {}

    def check(self) -> None:
        """Open it once more, and look at it whole."""
        self.seen.checks += 1
        with self._noting("fresh connection"), self._opened() as con:
            generation = generation_of(con)
            is_new = generation not in self.seen.generations
            self.seen.generations.add(generation)
            if generation < self._newest:
                self._fail(f"generation {generation} was live after {self._newest}")
            self._newest = max(self._newest, generation)
            for flaw in flaws(con, self.home, self.seen.checks):
                self._fail(flaw)
            if is_new and len(self.seen.generations) % HASHED == 1:
                self.seen.hashed += 1
                if flaw := hash_flaw(self.home, generation):
                    self._fail(flaw)
        with self._noting("manifest and status"):
            said = live_manifest(self.home)["generation"]
            if said > self._newest + 1:  # one may have come since the file was opened
                with open_published(self.home) as con:
                    if generation_of(con) < said:
                        self._fail(f"the manifest says generation {said}, the file is {generation_of(con)}")
            if self.home.status_file.exists():
                read_status(self.home)
        with self._noting("held connection"):
            self._check_open_connection()

    @contextmanager
    def _opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if self.seen.checks % 2:
            with duckdb.connect(str(self.home.published_file), read_only=True) as con:
                yield con
        else:
            with open_published(self.home) as con:
                yield con

    def _check_open_connection(self) -> None:
        """A connection that stays open sees the same rows, whatever has been published since."""
        if self.seen.checks % CHECKS_PER_CONNECTION == 1:
            self._connections.close()
            self._open_con = self._connections.enter_context(open_published(self.home))
            self._open_rows = row_counts(self._open_con)
        assert self._open_con is not None
        self.seen.open_connection_checks += 1
        if row_counts(self._open_con) != self._open_rows:
            self._fail("an open connection saw rows of another generation")

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception:  # noqa: BLE001 - noted, and it fails the soak
            self._fail(f"{what}: {traceback.format_exc()}")

    def _fail(self, what: str) -> None:
        if len(self.seen.failures) < MOST_FAILURES:
            self.seen.failures.append(f"check {self.seen.checks}: {what}")


def watch(home: Home) -> Seen:
    """Read from the first publication on, until the input ends."""
    reader = Reader(home)
    pause = 0.05
    while not select.select([sys.stdin], [], [], pause)[0]:
        started = time.monotonic()
        if reader.seen.checks or home.published_file.exists():  # once it is there, it must stay
            reader.check()
            pause = (time.monotonic() - started) * (1 / BUSY - 1)
    return reader.seen


if __name__ == "__main__":
    seen = watch(Home(Path(sys.argv[1])))
    print(json.dumps({**asdict(seen), "generations": len(seen.generations)}))
