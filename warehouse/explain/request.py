"""What is asked of an explanation: a kind, an underlying, and which of its numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from models.errors import UsageError

LEVELS = (
    "call_resistance", "call_wall_2", "call_wall_3", "put_support", "put_wall_2", "put_wall_3", "call_wall", "put_wall",
    "max_positive_gamma", "max_negative_gamma", "highest_oi_strike", "zero_dte_magnet", "hvl", "gamma_flip",
)  # fmt: skip
# kind → what it takes beside an underlying, a moment and venues
KINDS: dict[str, tuple[str, ...]] = {
    "max-pain": ("expiry", "expires_at"),
    "gex": ("expiry", "expires_at", "strike"),
    "level": ("expiry", "expires_at", "level", "zero_dte"),
    "pin-score": ("expiry", "expires_at"),
    "iv": ("expiry", "expires_at", "strike", "instrument"),
}


@dataclass(frozen=True)
class Question:
    """Which number is to be explained. Without an expiry it is that of all live expiries."""

    kind: str
    underlying: str
    expiry: date | None = None
    expires_at: str | None = None  # UTC
    strike: float | None = None
    level: str | None = None
    zero_dte: bool = False
    instrument: str | None = None
    as_of: str | None = None
    venues: list[str] | None = None
    definition: str | None = None
    top: int = 5  # strikes and contracts that are shown

    def __post_init__(self) -> None:
        """Raise `UsageError` for what the kind does not know."""
        if self.kind not in KINDS:
            raise UsageError(f"Nothing explains {self.kind!r}. Known: {', '.join(KINDS)}.")
        taken = {name for names in KINDS.values() for name in names}
        for name in [field.name for field in fields(self) if field.name in taken and getattr(self, field.name)]:
            if name not in KINDS[self.kind]:
                raise UsageError(f"{self.kind} takes no {name}. It takes: {', '.join(KINDS[self.kind])}.")
        if self.expiry is not None and self.expires_at is not None:
            raise UsageError("Name a date or a settlement instant, not both.")
        if self.kind == "level" and self.level not in LEVELS:
            raise UsageError(f"level needs the name of one: {', '.join(LEVELS)}.")
        if self.kind == "iv" and self.instrument is None and (self.strike is None or (self.expiry or self.expires_at) is None):
            raise UsageError("iv needs an instrument, or a date and a strike: `strikehouse explain iv SPX 2026-08-21 7400`.")
        if self.top < 1:
            raise UsageError(f"top is {self.top}: give a number above 0.")

    def filters(self, **changed: Any) -> dict[str, Any]:
        """Venues and expiries as arguments of a table macro."""
        return {"underlying": self.underlying, "venues": self.venues, "expiry": self.expiry, "expires_at": self.expires_at} | changed


def from_words(kind: str, underlying: str, words: Sequence[str], **given: Any) -> Question:
    """A question whose expiry, strike, level and instrument are told by their look: `2026-08-21 7400`; raises `UsageError`."""
    kind = kind.replace("_", "-")
    for word in words:
        name, value = _parameter_of(kind, word)
        if given.get(name) is not None:
            raise UsageError(f"{word} names a second {name}.")
        given[name] = value
    return Question(kind, underlying.upper(), **given)


def _parameter_of(kind: str, word: str) -> tuple[str, Any]:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", word):
        return "expiry", expiry_of(word)
    if re.match(r"\d{4}-\d\d-\d\d[T ]", word):
        return "expires_at", instant_of(word)
    if re.fullmatch(r"\d+(\.\d+)?", word):
        return "strike", float(word)
    if kind == "level":
        return "level", word.replace("-", "_")
    if kind == "iv":
        return "instrument", word
    raise UsageError(f"{word!r} is no date, settlement instant or strike.")


def expiry_of(text: str) -> date:
    """A date from text; raises `UsageError`."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no date ({error}): write it as 2026-08-21.") from error


def instant_of(text: str) -> str:
    """An instant in UTC from text, checked; raises `UsageError`."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no instant ({error}): write it as 2026-08-21T20:00.") from error
    if at.tzinfo is not None:
        at = (at - (at.utcoffset() or at.tzinfo.utcoffset(at))).replace(tzinfo=None)  # type: ignore[operator]
    return at.isoformat()
