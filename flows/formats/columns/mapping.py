"""The mapping of a `columns` import: which column holds what, in which unit. Nothing is guessed; what is missing is named.

A mapping is a TOML file (docs/imports.md has the keys). It is kept in the run manifest, so a rebuild needs nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Mapped
from typing import Annotated, Any, Literal, Self

from pydantic import StringConstraints, ValidationError, model_validator

from flows.formats.columns.mapping_keys import Amount, Cell, Clock, Column, Expiry, Instant, Name, OptionType, Part, Volatility
from flows.sources.registry import SOURCES
from models.errors import UsageError

UNDERLYING = r"^[A-Z0-9._]+$"
SIDES = {"C": "call", "P": "put"}


class SideColumns(Part):
    """What a row says of one contract; under [call] and [put] where a row holds both."""

    instrument: Name | None = None
    open_interest: Amount | None = None
    volume: Amount | None = None
    bid: Column | None = None
    ask: Column | None = None
    mark: Column | None = None
    iv: Volatility | None = None
    delta: Column | None = None
    gamma: Column | None = None
    vega: Column | None = None
    theta: Column | None = None


class ColumnMapping(SideColumns):
    """A whole mapping."""

    venue: Annotated[str, StringConstraints(pattern="^[a-z]+$")]
    market: Literal["us", "crypto"]
    underlying: Cell
    captured_at: Instant
    spot: Cell
    multiplier: Cell
    settlement: Literal["by_root", "at_open", "at_close", "in_expiry"] | Clock
    book: Cell | None = None
    root: Cell | None = None
    option_type: OptionType | None = None
    strike: Column | None = None
    expiry: Expiry | None = None
    price_unit: Literal["usd", "coin"] | None = None
    forward: Column | None = None
    separator: Literal[",", ";", "\t", "|"] = ","  # of a CSV
    missing: tuple[str, ...] = ()  # texts that stand for nothing; empty cells always do
    zero_is_missing: tuple[Literal["bid", "ask", "mark", "iv", "gamma"], ...] = ()
    call: SideColumns | None = None
    put: SideColumns | None = None

    @property
    def sides(self) -> dict[str | None, SideColumns]:
        """Per side of a row its own columns over the common ones; one side None where a row is one contract."""
        own = {kind: side for kind, side in (("C", self.call), ("P", self.put)) if side is not None}
        if not own:
            return {None: self}
        names = SideColumns.model_fields
        return {kind: SideColumns(**{name: getattr(side, name) or getattr(self, name) for name in names}) for kind, side in own.items()}

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Every key that names a column, with that column."""
        named = [(key, getattr(self, key)) for key in type(self).model_fields]
        for kind, side in self.sides.items():
            named += [(f"{SIDES[kind]}.{key}", getattr(side, key)) for key in SideColumns.model_fields] if kind else []
        declared = ((key, getattr(part, "column", None)) for key, part in named if isinstance(part, Part))
        return [(key, column) for key, column in declared if isinstance(column, str)]

    @property
    def labels(self) -> dict[str, str]:
        """What the file calls a key's column; both columns where call and put have one each."""
        labels: dict[str, str] = {}
        for key, column in self.columns:
            plain = key.rpartition(".")[2]
            labels[plain] = f"{labels[plain]}, {column}" if labels.get(plain, column) != column else column
        return labels

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        problems = [*self._missing(), *self._contradictions()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _missing(self) -> list[str]:
        """Keys that this mapping needs and lacks."""
        needed = {"option_type": not self.call, "strike": True, "expiry": True, "root": self.market == "us"}
        if self.is_named:
            needed = {}
        needed |= {"book": self.market == "crypto"}
        needed |= {"price_unit": any(getattr(side, name) for side in self.sides.values() for name in ("bid", "ask", "mark"))}
        needed |= {"forward": self.price_unit == "coin"}
        absent = [f"{key}: it is missing" for key, is_needed in needed.items() if is_needed and getattr(self, key) is None]
        for kind, side in self.sides.items():
            prefix = f"{SIDES[kind]}." if kind else ""
            absent += [f"{prefix}{key}: it is missing" for key in ("instrument", "open_interest") if getattr(side, key) is None]
        return absent

    def _contradictions(self) -> list[str]:
        """Keys that do not go together."""
        wrong = []
        if self.venue == "all":
            wrong.append("venue: all is no venue")
        if self.venue in SOURCES and SOURCES[self.venue].market != self.market:
            wrong.append(f"market: {self.venue} is {SOURCES[self.venue].market}")
        if isinstance(self.underlying.value, str | float) and not _matches(UNDERLYING, str(self.underlying.value)):
            wrong.append("underlying: capital letters and digits, such as SPX")
        if (self.call is None) != (self.put is None):
            wrong.append("call, put: give both tables or none")
        if self.call is not None and self.option_type is not None:
            wrong.append("option_type: the tables call and put say it")
        if self.is_named:
            stated = [key for key in ("root", "option_type", "strike", "expiry") if getattr(self, key) is not None]
            wrong += [f'{key}: instrument.names = "osi" says it' for key in stated]
        osi = any(side.instrument and side.instrument.names for side in self.sides.values())
        if self.market == "crypto" and (osi or self.settlement in ("by_root", "at_open", "at_close")):
            wrong.append('settlement, instrument: "osi", "by_root", "at_open" and "at_close" are of the US market')
        if self.settlement == "in_expiry" and (self.expiry is None or self.expiry.zone is None):
            wrong.append('expiry.zone: it is missing, and settlement = "in_expiry" needs it')
        return wrong

    @property
    def is_named(self) -> bool:
        """Whether names tell root, expiry, type and strike."""
        return any(side.instrument and side.instrument.names and side.instrument.column for side in self.sides.values())


def mapping_document(document: Mapped[str, Any], file_name: str) -> dict[str, Any]:
    """The mapping as a run manifest stores it, checked; raises `UsageError` naming every key that is wrong."""
    try:
        return ColumnMapping.model_validate(document).model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {_said(one)}".removeprefix(": ") for one in error.errors())
        raise UsageError(f"{file_name}: the mapping is not whole: {wrong}. docs/imports.md lists the keys.") from None


def _said(problem: Mapped[str, Any]) -> str:
    return "it is missing" if problem["type"] == "missing" else str(problem["msg"]).removeprefix("Value error, ")


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None
