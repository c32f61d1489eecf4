"""What the keys of a mapping hold (flows/formats/columns/mapping.py): columns, values, times, units."""

from __future__ import annotations

from datetime import datetime, time
from typing import Literal, Self
from zoneinfo import ZoneInfo, available_timezones

import polars as pl
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

OFFSET = "offset"  # instead of a zone: every value carries its own
EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}  # microseconds


class Part(BaseModel):
    """A table of the mapping: no other keys than these."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(Part):
    """A column of the file."""

    column: str

    @property
    def cells(self) -> pl.Expr:
        """What it holds."""
        return pl.col(self.column)


class Cell(Part):
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


class _Format(Part):
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


class OptionType(Part):
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


class Name(Part):
    """How the venue names a contract; names = "osi" reads root, expiry, type and strike from it or, without a column, composes it."""

    column: str | None = None
    names: Literal["osi"] | None = None

    @model_validator(mode="after")
    def _is_something(self) -> Self:
        if self.column is None and self.names is None:
            raise ValueError('give column, or names = "osi" to compose the names')
        return self


class Clock(Part):
    """A time of day at which contracts settle on their expiry date."""

    at: time
    zone: str

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"no time zone is called {value!r}; write it like UTC or America/New_York")
        return value


def instant_in(text: str, rule: Instant) -> datetime:
    """The aware instant of a value in a mapping."""
    at = datetime.fromisoformat(text)
    if rule.at is not None:
        at = datetime.combine(at.date(), rule.at)
    if rule.zone != OFFSET and at.tzinfo is not None:
        raise ValueError(f'{text!r} carries an offset: then zone is "{OFFSET}"')
    if rule.zone == OFFSET and at.tzinfo is None:
        raise ValueError(f"{text!r} has no offset, such as +00:00")
    return at if rule.zone == OFFSET else at.replace(tzinfo=ZoneInfo(rule.zone))


def _is_strftime(text: str) -> bool:
    """Whether a date can be read by it."""
    try:
        pl.Series(["x"]).str.to_date(text, strict=False)
    except pl.exceptions.PolarsError:
        return False
    return "%" in text
