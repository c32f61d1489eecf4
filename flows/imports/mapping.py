"""The mapping of a `columns` import: which column holds what, in which unit. Nothing is guessed; what is missing is named.

A mapping is a TOML file (docs/imports.md has the keys). It is kept in the run manifest, so a rebuild needs nothing else.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping as Mapped
from datetime import datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

import polars as pl
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, field_validator, model_validator

from flows.sources.registry import SOURCES
from models.errors import UsageError

OFFSET = "offset"  # instead of a zone: every value carries its own
EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}  # microseconds
UNDERLYING = r"^[A-Z0-9._]+$"
SIDES = {"C": "call", "P": "put"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Part):
    """A column of the file."""

    column: str

    @property
    def cells(self) -> pl.Expr:
        """What it holds."""
        return pl.col(self.column)


class Cell(_Part):
    """A column of the file, or one value for all rows."""

    column: str | None = None
    value: str | float | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.column is None) == (self.value is None):
            raise ValueError("give either column or value")
        return self

    @property
    def cells(self) -> pl.Expr:
        """What it holds."""
        return pl.lit(self.value) if self.column is None else pl.col(self.column)


class _Format(_Part):
    format: str | None = None  # strftime, epoch_s or epoch_ms; default ISO 8601
    zone: str | None = None

    @field_validator("format")
    @classmethod
    def _format_is_one(cls, value: str | None) -> str | None:
        if value is not None and value not in EPOCHS and not _is_strftime(value):
            raise ValueError(f"{value!r} is neither a strftime format (%Y-%m-%d) nor one of {', '.join(EPOCHS)}")
        return value

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, value: str | None) -> str | None:
        if value is not None and value != OFFSET and value not in available_timezones():
            raise ValueError(f"no time zone is called {value!r}; write it like America/New_York, or {OFFSET} when the values carry theirs")
        return value


class Instant(_Format):
    """When the chain was taken: a column or one value, with its zone; `at` is the time of day where there are dates only."""

    column: str | None = None
    value: str | None = None
    zone: str
    at: time | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.column is None) == (self.value is None):
            raise ValueError("give either column or value")
        if self.at is not None and self.zone == OFFSET:
            raise ValueError("at needs a zone by name")
        if self.value is not None:
            instant_in(self.value, self)
        return self


class Expiry(_Format):
    """When a contract expires: a date, or an instant with its zone."""

    column: str


class OptionType(_Part):
    """Which texts say call and put."""

    column: str
    call: str
    put: str


class Amount(Column):
    """Open interest or volume, and what it counts."""

    unit: Literal["contracts", "base"]


class Volatility(Column):
    """Implied volatility, and its unit."""

    unit: Literal["percent", "fraction"]


class Name(_Part):
    """How the venue names a contract; names = "osi" reads root, expiry, type and strike from it or, without a column, composes it."""

    column: str | None = None
    names: Literal["osi"] | None = None

    @model_validator(mode="after")
    def _is_something(self) -> Self:
        if self.column is None and self.names is None:
            raise ValueError('give column, or names = "osi" to compose the names')
        return self


class Clock(_Part):
    """A time of day at which contracts settle on their expiry date."""

    at: time
    zone: str

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"no time zone is called {value!r}; write it like UTC or America/New_York")
        return value


class SideColumns(_Part):
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
        told = ((key, getattr(part, "column", None)) for key, part in named if isinstance(part, _Part))
        return [(key, column) for key, column in told if isinstance(column, str)]

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
            told = [key for key in ("root", "option_type", "strike", "expiry") if getattr(self, key) is not None]
            wrong += [f'{key}: instrument.names = "osi" says it' for key in told]
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


def read_mapping(file: Path) -> dict[str, Any]:
    """A mapping file as the document that a run manifest keeps; raises `UsageError` naming every key that is wrong."""
    try:
        document = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file.name}: the mapping cannot be read ({error}).") from None
    try:
        return ColumnMapping.model_validate(document).model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {_said(one)}".removeprefix(": ") for one in error.errors())
        raise UsageError(f"{file.name}: the mapping is not whole: {wrong}. docs/imports.md lists the keys.") from None


def instant_in(text: str, rule: Instant) -> datetime:
    """The aware instant of a value in a mapping."""
    at = datetime.fromisoformat(text)
    if rule.at is not None:
        at = datetime.combine(at.date(), rule.at)
    if rule.zone == OFFSET and at.tzinfo is None:
        raise ValueError(f"{text!r} has no offset, such as +00:00")
    return at if rule.zone == OFFSET else at.replace(tzinfo=ZoneInfo(rule.zone))


def _said(problem: Mapped[str, Any]) -> str:
    return "it is missing" if problem["type"] == "missing" else str(problem["msg"]).removeprefix("Value error, ")


def _is_strftime(text: str) -> bool:
    """Whether a date can be read by it."""
    try:
        pl.Series(["x"]).str.to_date(text, strict=False)
    except pl.exceptions.PolarsError:
        return False
    return "%" in text


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None
