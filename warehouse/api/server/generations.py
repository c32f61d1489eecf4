"""Generations for requests: each request reads the generation that was live when it began, and its cache.

A publication does not affect requests in progress. The old file and its cache are released when the last of them ends.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import duckdb
import polars as pl

from models.errors import PublicationMissing, PublicationUnreadable, QueryFailed, QueryTooLarge, QueryTooSlow
from warehouse.api.server.deadlines import DEADLINES
from warehouse.api.server.responses import Answer
from warehouse.client.warehouse import Result, Warehouse
from warehouse.home.paths import Home
from warehouse.read.query import connect_published

log = logging.getLogger("strikehouse.api")

Thing = TypeVar("Thing")
Identity = tuple[int, int, int]  # device, inode and time of change of the published file
MIB = 1 << 20


class Remembered(Generic[Thing]):
    """An LRU cache limited by bytes; thread-safe."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._size = 0
        self._things: OrderedDict[Hashable, tuple[Thing, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Thing | None:
        """The cached value of a key, if present."""
        with self._lock:
            entry = self._things.get(key)
            if entry is None:
                return None
            self._things.move_to_end(key)
            return entry[0]

    def put(self, key: Hashable, thing: Thing, size: int) -> None:
        """Cache a value of `size` bytes, evicting the least recently used; values larger than a quarter of the cache are not stored."""
        if size > self._capacity / 4:
            return
        with self._lock:
            _, before = self._things.pop(key, (None, 0))
            self._things[key] = (thing, size)
            self._size += size - before
            while self._size > self._capacity:
                _, (_, least) = self._things.popitem(last=False)
                self._size -= least


class Generation:
    """One open published file."""

    def __init__(self, con: duckdb.DuckDBPyConnection, identity: Identity, cache_bytes: int) -> None:
        self._con = con
        self._lock = threading.Lock()
        self._idle: list[duckdb.DuckDBPyConnection] = []  # reused connections: a new one plans its first queries more slowly
        self.identity = identity
        self.frames: Remembered[pl.DataFrame] = Remembered(cache_bytes)
        self.rows: Remembered[list[dict[str, Any]]] = Remembered(cache_bytes)
        self.index: dict[tuple[str, str], pl.DataFrame] = {}  # small results about snapshots, needed by every query
        self.answers: Remembered[Answer] = Remembered(cache_bytes)
        self.under_way: dict[Hashable, asyncio.Event] = {}  # responses in progress; used by the event loop only
        with self.cursor() as cursor:
            row = cursor.table("ops.publication").fetchone()
        assert row is not None
        self.number: int = row[0]
        self.stamp = f"{row[0]}-{row[1]:%Y%m%dT%H%M%S}-{row[4]}"  # unique per generation, also after a rebuild

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A new connection, for one thread at a time."""
        with self._lock:
            return self._con.cursor()

    @contextmanager
    def connection(self, deadline: float) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one query, interrupted at a deadline (monotonic seconds)."""
        with self._lock:
            con = self._idle.pop() if self._idle else self._con.cursor()
        with DEADLINES.watching(con, deadline):
            yield con
        with self._lock:
            self._idle.append(con)  # not after an error


class Generations:
    """Gives each request the live generation, and opens a new generation after a publication."""

    def __init__(self, home: Home, cache_bytes: int) -> None:
        self._home = home
        self._file = home.published_file  # allocated once: every request checks it
        self._cache_bytes = cache_bytes
        self._lock = threading.Lock()
        self._live: Generation | None = None

    def known(self) -> Generation | None:
        """The live generation if it is already open; does not block."""
        live = self._live
        return live if live is not None and live.identity == self._identity() else None

    def current(self) -> Generation:
        """The live generation; raises `PublicationMissing` or `PublicationUnreadable` when none could ever be read."""
        with self._lock:
            live = self.known()
            if live is None:
                live = self._live = self._open()
            return live

    def _identity(self) -> Identity | None:
        try:
            state = self._file.stat()
        except OSError:
            return None
        return state.st_dev, state.st_ino, state.st_mtime_ns

    def _open(self) -> Generation:
        for _ in range(3):  # another publication may happen in between
            identity = self._identity()
            try:
                generation = Generation(connect_published(self._home), identity or (0, 0, 0), self._cache_bytes)
            except (PublicationMissing, PublicationUnreadable, duckdb.Error) as error:
                failure = error
                continue
            if identity == self._identity():
                return generation
            failure = PublicationUnreadable(f"{self._home.published_file} changed while it was opened. Ask again.")
        if self._live is not None:
            log.warning("The new publication cannot be read; generation %s goes on: %s", self._live.number, failure)
            return self._live
        if isinstance(failure, duckdb.Error):
            raise PublicationUnreadable(f"{self._home.published_file} cannot be read ({failure}).") from failure
        raise failure


class Reading(Warehouse):
    """The warehouse of one request: one generation, a deadline, and a row limit per query.

    Results are cached per generation. Raises `QueryTooSlow`, `QueryTooLarge`.
    """

    def __init__(self, home: Home, generation: Generation, *, timeout_s: float, max_rows: int) -> None:
        super().__init__(home)
        self.of = generation
        self._deadline = time.monotonic() + timeout_s
        self._timeout_s = timeout_s
        self._max_rows = max_rows
        self._frames: dict[tuple[str, str], pl.DataFrame] = {}  # per request, also when the cache is off
        self._rows: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def _live(self) -> duckdb.DuckDBPyConnection:
        return self.of.cursor()

    def _ask(self, question: tuple[str, str], answer: Callable[[duckdb.DuckDBPyConnection], pl.DataFrame]) -> pl.DataFrame:
        frame = self._frames.get(question)
        if frame is None:
            frame = self.of.frames.get(question)
        if frame is None:
            frame = self._on(answer)
            self.of.frames.put(question, frame, int(frame.estimated_size()) + 1024)
        if frame.height > self._max_rows:
            raise self._too_large(frame.height)
        self._frames[question] = frame
        return frame

    def index(self, statement: str, parameters: dict[str, Any]) -> pl.DataFrame:
        """The result of a statement, run once per generation, independent of the response cache."""
        question = (statement, repr(parameters))
        frame = self.of.index.get(question)
        if frame is None:
            frame = self.sql(statement, parameters)
            if frame.height:  # unknown names are not cached: there is no bound on them
                self.of.index[question] = frame
        return frame

    def rows(self, statement: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Rows as dictionaries; callers must not mutate them, because they are shared."""
        question = (statement, repr(parameters))
        rows = self._rows.get(question)
        if rows is None:
            rows = self.of.rows.get(question)
        if rows is None:
            rows = super().rows(statement, parameters)
            self.of.rows.put(question, rows, 1024 + 300 * len(rows))
        if len(rows) > self._max_rows:
            raise self._too_large(len(rows))
        self._rows[question] = rows
        return rows

    def _on(self, answer: Callable[[duckdb.DuckDBPyConnection], Result]) -> Result:
        if time.monotonic() >= self._deadline:
            raise self._too_slow()
        try:
            with self.of.connection(self._deadline) as con:
                return answer(con)
        except QueryFailed as error:
            if isinstance(error.__cause__, duckdb.InterruptException):
                raise self._too_slow() from error
            raise

    def _too_large(self, rows: int) -> QueryTooLarge:
        return QueryTooLarge(f"The request reads {rows:,} rows; at most {self._max_rows:,} are allowed. Ask for less of it.")

    def _too_slow(self) -> QueryTooSlow:
        return QueryTooSlow(f"The request took longer than {self._timeout_s:g} s and was stopped. Ask for less, or again later.")
