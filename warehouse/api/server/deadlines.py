"""Time limits of queries: one thread interrupts all overdue connections, instead of one thread per connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

LOOK_EVERY_S = 0.05


class Deadlines:
    """Interrupts connections that still run a query at their deadline; to within a twentieth of a second."""

    def __init__(self) -> None:
        self._at_work: dict[duckdb.DuckDBPyConnection, float] = {}
        self._lock = threading.Lock()
        self._is_work = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, con: duckdb.DuckDBPyConnection, deadline: float) -> Iterator[None]:
        """Enforce a deadline on a connection within the block; `deadline` in seconds of the monotonic clock."""
        with self._lock:
            self._at_work[con] = deadline
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()
        self._is_work.set()
        try:
            yield
        finally:
            with self._lock:  # no interrupt after this point
                del self._at_work[con]

    def _watch(self) -> None:
        while True:
            self._is_work.wait()
            time.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            with self._lock:
                for con, deadline in self._at_work.items():
                    if deadline <= now:
                        con.interrupt()
                if not self._at_work:
                    self._is_work.clear()


DEADLINES = Deadlines()
