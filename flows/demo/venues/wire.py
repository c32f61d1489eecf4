"""What a venue is to the server: how it answers, how it refuses, and which fields of its documents a fault may damage."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, ClassVar

from flows.demo.market.market import Market

Row = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """One HTTP reply before compression."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Wire(ABC):
    """One venue. A further venue is a subclass and one line in `server.WIRES`."""

    name: ClassVar[str]
    instrument: ClassVar[str]  # field of a row that names it
    open_interest: ClassVar[str]
    open_interest_too: ClassVar[tuple[str, ...]] = ()  # the fields that give it in other units too
    no_open_interest: ClassVar[Any] = None  # how the venue writes a missing one
    missing: ClassVar[Mapping[str, Any]]  # fields of IV and prices, and how the venue writes a missing value
    refusals: ClassVar[tuple[str, ...]]  # variants of its rate-limit signal, the usual one first

    @abstractmethod
    def answer(self, market: Market, path: str, query: Mapping[str, str]) -> Reply:
        """The venue's reply to a request."""

    @abstractmethod
    def refuse(self, variant: str, seconds: float) -> Reply:
        """The venue's own rate-limit signal, in one of its variants."""

    def counters(self, requests: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, str]:
        """Headers that say what the requests (path, query) of the last minute have used up."""
        return {}

    @abstractmethod
    def rows(self, document: Any) -> list[Row] | None:
        """The contract rows of a decoded reply, the list itself; None when the reply has none."""

    @abstractmethod
    def option_type(self, row: Row) -> str:
        """C or P."""

    @abstractmethod
    def shift_clock(self, document: Any, seconds: float) -> None:
        """Move every time stamp that makes the venue's instant, in place."""


def retry_after(variant: str, seconds: float) -> dict[str, str]:
    """The header of a refusal: `seconds` as a number, `date` as an HTTP date, which a client compares with the real clock."""
    if variant == "date":
        return {"Retry-After": formatdate(time.time() + seconds, usegmt=True)}
    return {"Retry-After": f"{seconds:g}"} if variant == "seconds" else {}
