"""What a venue's source is: `fetch` talks to the venue, `parse` is pure. And how replies are read that all venues have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import orjson

from models.chain import Book, ParsedChain, RawPayload
from models.errors import MalformedReply, VenueBusy, VenueError, VenueRefused, VenueUnreachable
from models.market.calendar import TradingCalendar
from warehouse.settings import SourceSettings

if TYPE_CHECKING:
    from flows.sources.http import VenueClient  # reading the archive again needs no HTTP

# 408 time-out, 418 ban (Binance), 425 too early, 429 too many requests; 5xx beside these
BUSY_STATUS = frozenset({408, 418, 425, 429})


class Probe(NamedTuple):
    """One cheap documented request that shows whether a venue answers."""

    name: str
    path: str
    params: Mapping[str, str] = {}


class Source(ABC):
    """One venue. CONTRIBUTING.md says what a new one needs."""

    name: ClassVar[str]
    market: ClassVar[Literal["us", "crypto"]]
    probe: ClassVar[Probe | None] = None  # what `strikehouse doctor` requests; without one the venue is not tried

    def __init__(self, settings: SourceSettings) -> None:
        self.settings = settings

    @abstractmethod
    def books(self, underlying: str) -> list[Book]:
        """What must be fetched for an underlying; several underlyings may share a book, which is then fetched once."""

    @abstractmethod
    def fetch(self, http: VenueClient, book: Book) -> list[RawPayload]:
        """The replies that hold one book. Raises `VenueError`."""

    @abstractmethod
    def parse(self, payloads: Sequence[RawPayload], underlying: str, calendar: TradingCalendar) -> ParsedChain:
        """One underlying's contracts from the replies of its books.

        Pure. Replies that failed may be among them: of several to one request the newest usable one counts. Raises `VenueError`.
        """

    @abstractmethod
    def read(self, payload: RawPayload) -> Any:
        """What a reply holds, out of its envelope; raises the `VenueError` that it stands for."""

    def judge(self, payload: RawPayload) -> VenueError | None:
        """The error that a reply stands for, if any."""
        try:
            self.read(payload)
        except VenueError as error:
            return error
        return None

    def newest(self, payloads: Sequence[RawPayload], *requests: tuple[str, str]) -> tuple[RawPayload, Any]:
        """The newest usable reply, with what it holds, to the first of these requests (book, name) that has one.

        Without any, the error of the newest reply to the first answered request is raised.
        """
        failure: VenueError | None = None
        for request in requests:
            answers = [payload for payload in payloads if (payload.book, payload.name) == request]
            for payload in sorted(answers, key=lambda answer: answer.received_at)[::-1]:
                try:
                    return payload, self.read(payload)
                except VenueError as error:
                    failure = failure or error
        missing = " or ".join(f"`{name}` of book {book}" for book, name in requests)
        raise failure or MalformedReply(self.name, f"there is no reply {missing}. Fetch it again")


def read_json(payload: RawPayload) -> Any:
    """The document in a reply. Raises `VenueUnreachable` for a part of one or an HTML page, else `MalformedReply`."""
    try:
        return orjson.loads(payload.body)
    except orjson.JSONDecodeError as error:
        reason, has_ended_early = error.msg, error.pos >= len(error.doc) > 0  # not chained: the error holds the whole text
    if has_ended_early or not payload.body.strip():
        raise VenueUnreachable(payload.venue, f"only a part of the reply `{payload.name}` of book {payload.book} arrived. Try later")
    if payload.body.lstrip()[:1] == b"<":
        what = f"the reply `{payload.name}` of book {payload.book} is a web page and not JSON"
        raise VenueUnreachable(payload.venue, f"{what} (maintenance, or a proxy that answers itself). Try later")
    raise MalformedReply(payload.venue, f"the reply `{payload.name}` of book {payload.book} is no JSON: {reason}. It is in the archive")


def read_envelope(payload: RawPayload) -> Any:
    """The document in a reply of a venue that sends JSON with its refusals too; what is no JSON is judged by its status first."""
    try:
        return read_json(payload)
    except VenueError as error:
        raise refusal_by_status(payload) or error from None


def refusal_by_status(payload: RawPayload, says: str = "") -> VenueError | None:
    """The error that an HTTP status stands for where the venue has no rule of its own; None below 300."""
    if payload.status < 300:
        return None
    what = f"HTTP {payload.status} for `{payload.name}` of book {payload.book}" + (f": {says}" if says else "")
    if payload.status in BUSY_STATUS or payload.status >= 500:
        return VenueBusy(payload.venue, f"{what}. Try later")
    moved = f" It points to {payload.headers['location']}." if "location" in payload.headers else ""
    return VenueRefused(payload.venue, f"{what}.{moved} Check the venue's base_url and whether it serves your country")


def unexpected(payload: RawPayload, what: str) -> MalformedReply:
    """The error for a reply that is not what the wire format promises."""
    return MalformedReply(payload.venue, f"{what} in the reply `{payload.name}` of book {payload.book}. The wire format has changed")
