"""The arguments of an explanation: a kind, an underlying, and the selection of a number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields
from datetime import date, datetime
from typing import Any

from models.errors import UsageError
from warehouse.catalog.filters import Day, Filters, Instant, Names, argument, meanings

LEVELS = (
    "call_resistance", "call_wall_2", "call_wall_3", "put_support", "put_wall_2", "put_wall_3", "call_wall", "put_wall",
    "max_positive_gamma", "max_negative_gamma", "highest_oi_strike", "zero_dte_magnet", "hvl", "gamma_flip",
)  # fmt: skip
# kind → its arguments besides an underlying, a moment and venues
KINDS: dict[str, tuple[str, ...]] = {
    "max-pain": ("expiry", "expires_at"),
    "gex": ("expiry", "expires_at", "strike"),
    "level": ("expiry", "expires_at", "level", "zero_dte"),
    "pin-score": ("expiry", "expires_at"),
    "iv": ("expiry", "expires_at", "strike", "instrument"),
}
BY_FORM = ("expiry", "expires_at", "strike", "level", "instrument")  # on the command line


@dataclass(frozen=True)
class ExplainRequest:
    """The number to explain. Without an expiry it covers all live expiries.

    Dates, instants and venues are accepted in any form; fields hold them as a `date`, ISO text in UTC and a list of lower case.
    """

    kind: str
    underlying: str
    _: KW_ONLY
    expiry: Day | None = argument("only this date; its settlement instants are pooled")
    expires_at: Instant | None = argument("only this settlement instant (UTC)")
    strike: float | None = argument("of `gex` and `iv`")
    level: str | None = argument(f"of `level`: one of {', '.join(LEVELS)}")
    zero_dte: bool = argument("of `level`: the profile of 0DTE", default=False)
    instrument: str | None = argument("of `iv`, as its venue calls it")
    as_of: Instant | None = argument(meanings(Filters)["as_of"])
    venues: Names | None = argument(meanings(Filters)["venues"])
    definition: str | None = argument("another convention beside ours: `flashalpha`, `backquant`, `reversed` …")
    top: int = argument("so many strikes and contracts", default=5)

    def __post_init__(self) -> None:
        """Normalize every argument; raise `UsageError` for one that the kind does not have."""
        names = re.split(r"[^a-z]+", self.venues.lower()) if isinstance(self.venues, str) else [one.lower() for one in self.venues or ()]
        vars(self).update(
            kind=self.kind.replace("_", "-"),
            underlying=self.underlying.upper(),
            expiry=expiry_of(self.expiry) if isinstance(self.expiry, str) else self.expiry,
            expires_at=None if self.expires_at is None else instant_of(str(self.expires_at)),
            level=self.level.replace("-", "_") if self.level else None,
            as_of=None if self.as_of is None else instant_of(str(self.as_of)),
            venues=[one for one in names if one] or None,
        )
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


def from_words(kind: str, underlying: str, words: Sequence[str], **given: Any) -> ExplainRequest:
    """A request whose arguments of `BY_FORM` are recognised by their form: `2026-08-21 7400`; raises `UsageError`."""
    kind = kind.replace("_", "-")
    for word in words:
        name, value = _parameter_of(kind, word)
        if given.get(name) is not None:
            raise UsageError(f"{word} names a second {name}.")
        given[name] = value
    return ExplainRequest(kind, underlying, **given)


def _parameter_of(kind: str, word: str) -> tuple[str, Any]:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", word):
        return "expiry", expiry_of(word)
    if re.match(r"\d{4}-\d\d-\d\d[T ]", word):
        return "expires_at", instant_of(word)
    if re.fullmatch(r"\d+(\.\d+)?", word):
        return "strike", float(word)
    if kind == "level":
        return "level", word
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
