"""Fetch: each book of a run once, every reply archived before anything reads it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from flows.run.plan import Plan
from flows.sources.source import Source
from models.chain import Book, RawPayload
from models.errors import VenueBusy, VenueError, VenueUnreachable
from models.redaction import redact
from warehouse.archive.replies import BookArchive
from warehouse.archive.runs import write_run
from warehouse.home.cooldowns import note_cooldown, read_cooldowns
from warehouse.home.logs import log_fields, logged
from warehouse.home.paths import Home
from warehouse.home.version import code_version
from warehouse.settings import Settings

LOG = logging.getLogger("strikehouse.fetch")


@dataclass(frozen=True)
class FetchedBook:
    """What one (venue, book) gave."""

    venue: str
    book: str
    payloads: tuple[RawPayload, ...]
    folder: str | None  # below raw/
    error: str | None
    seconds: float
    can_heal: bool = False  # a later try may succeed


class VenueLine:
    """The one line to a venue during a run: all its books share the client, and so its pace; each book has its own archive."""

    def __init__(self, home: Home, source: Source) -> None:
        from flows.sources.http import VenueClient  # loading httpx takes a while, and a rebuild needs none

        self._home, self._source = home, source
        self._fields = log_fields()  # books are fetched in threads
        self._archives: dict[str, BookArchive] = {}
        rest_until = read_cooldowns(home).get(source.name)
        self._http = VenueClient(source.name, source.settings, record=self._record, rest_until=rest_until, version=code_version())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._http.close()

    def fetch(self, book: Book) -> FetchedBook:
        """Fetch and archive one book. A venue's failure is a result, not an exception; a failing disk raises `DiskProblem`."""
        with logged(**self._fields, venue=book.venue, step="fetch"):
            fetched = self._fetch(book)
            if fetched.error:
                LOG.warning("book %s: %s", book.name, fetched.error, extra={"shown": True})
            else:
                size = sum(len(one.body) for one in fetched.payloads)
                replies = f"{len(fetched.payloads)} {'reply' if len(fetched.payloads) == 1 else 'replies'}"
                LOG.info("book %s: %s, %d bytes, %.1f s", book.name, replies, size, fetched.seconds)
            return fetched

    def _fetch(self, book: Book) -> FetchedBook:
        started = time.monotonic()
        archive = self._archives.setdefault(book.name, BookArchive(self._home, book.venue, book.name))
        payloads: list[RawPayload] = []
        error, can_heal = None, False
        try:
            payloads = self._source.fetch(self._http, book)
        except VenueError as failure:
            error, can_heal = redact(str(failure)), isinstance(failure, VenueUnreachable)
            if isinstance(failure, VenueBusy) and failure.rest_until is not None:
                note_cooldown(self._home, book.venue, failure.rest_until)
        rest_until = self._http.rest_until  # also asked for with what a source can do without
        if rest_until is not None and rest_until > datetime.now(UTC):
            note_cooldown(self._home, book.venue, rest_until)
        folder = archive.close(payloads, error)
        return FetchedBook(book.venue, book.name, tuple(payloads), folder, error, time.monotonic() - started, can_heal)

    def _record(self, payload: RawPayload) -> None:
        self._archives[payload.book].add(payload)


def write_run_manifest(home: Home, settings: Settings, plan: Plan, fetched: Sequence[FetchedBook], ended_at: datetime) -> dict[str, object]:
    """Close the archive of a run: what was asked, which folders answer it, what failed. Returns the manifest."""
    manifest = {
        "run_id": plan.run_id,
        "started_at": plan.started_at.isoformat(),
        "ended_at": ended_at.isoformat(),
        "origin": "live",
        "is_synthetic": plan.is_synthetic,
        "code_version": code_version(),
        "settings_hash": settings.numbers_hash,
        "asks": [{"underlying": ask.underlying, "venue": ask.venue, "books": list(ask.books)} for ask in plan.asks],
        "fetched": [{"venue": one.venue, "book": one.book, "folder": one.folder, "error": one.error} for one in fetched],
    }
    write_run(home, manifest)
    return manifest
