"""The access log: one line of JSON per request, without keys.

A background thread formats and writes lines in batches, so a slow disk or terminal does not delay requests.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

import orjson

access_log = logging.getLogger("strikehouse.api.access")
KEY_PARAMETERS = ("apikey", "api_key", "key", "token")
LONGEST_SHOWN = 2000  # characters of a path and of a query, so that a client cannot fill the log
MOMENT_S = 0.05  # seconds over which lines are batched
MOST_WAITING = 200_000  # lines; a longer queue means that the log is not being read


class Served(NamedTuple):
    """One finished request."""

    at: float  # Unix time
    request_id: str
    dialect: str
    method: str
    path: str  # as received, percent-escaped
    query: bytes
    endpoint: str  # the route's template: few distinct values
    status: int
    seconds: float
    size: int  # bytes of the body that was sent
    cache: str  # hit, miss, revalidated, or none: not cacheable
    generation: int | None
    client: str
    key: int | None  # number of the key, counted from 1


class AccessLog:
    """Writes requests to the logger `strikehouse.api.access`, in order; one record holds all lines of a batch."""

    def __init__(self) -> None:
        self._waiting: deque[Served] = deque()
        self._lost = 0
        self._wake = threading.Event()
        self._lock = threading.Lock()  # of writing
        self._thread: threading.Thread | None = None

    def note(self, served: Served) -> None:
        """Queue one request for writing."""
        if not access_log.isEnabledFor(logging.INFO):
            return
        if len(self._waiting) >= MOST_WAITING:
            self._lost += 1
            return
        self._waiting.append(served)
        if not self._wake.is_set():
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_on, name="access log", daemon=True)
                self._thread.start()
            self._wake.set()

    def flush(self) -> None:
        """Write the queued lines."""
        with self._lock:
            lines = [_line(self._waiting.popleft()) for _ in range(len(self._waiting))]
            lost, self._lost = self._lost, 0
            if lost:
                lines.append(orjson.dumps({"at": _text(time.time()), "lines_lost": lost}).decode())
            if lines:
                access_log.info("%s", "\n".join(lines))

    def _write_on(self) -> None:
        while True:
            self._wake.wait()
            time.sleep(MOMENT_S)
            self._wake.clear()  # before the queue is drained: a line added now sets the event again
            self.flush()


def _line(served: Served) -> str:
    line = {
        "at": _text(served.at),
        "request_id": served.request_id,
        "client": served.client,
        "key": served.key,
        "dialect": served.dialect,
        "method": served.method,
        "path": served.path[:LONGEST_SHOWN],
        "query": without_keys(served.query.decode("latin-1")[:LONGEST_SHOWN]) if served.query else "",
        "endpoint": served.endpoint,
        "status": served.status,
        "ms": round(served.seconds * 1000, 3),
        "bytes": served.size,
        "cache": served.cache,
        "generation": served.generation,
    }
    return orjson.dumps(line).decode()


def _text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def without_keys(query: str) -> str:
    """A query string with its keys redacted."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, "hidden" if name.lower() in KEY_PARAMETERS else value) for name, value in pairs])
