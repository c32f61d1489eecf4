"""The parts of an explanation: dataclasses of plain values, which serialize to JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import WithJsonSchema

Row = dict[str, Any]
Instant = Annotated[datetime, WithJsonSchema({"type": "string", "description": "ISO 8601, UTC, without an offset"})]  # naive


@dataclass(frozen=True)
class Number:
    """A value with its unit and caveats."""

    name: str
    value: Any
    unit: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Definition:
    """How the number is defined."""

    formula: str
    section: str  # of the definitions, such as §4
    signs: str | None = None  # the assumed holders; None: the number has no sign model


@dataclass(frozen=True)
class VenueSource:
    """The data of one venue in the snapshot."""

    venue: str
    status: str
    captured_at: Instant | None
    received_at: Instant | None
    session_date: date | None
    oi_as_of: date | None
    spot: float | None  # USD
    spot_source: str | None
    origin: str
    run_id: str
    error: str | None


@dataclass(frozen=True)
class Scope:
    """Which snapshot, venues and expiries the number covers."""

    snapshot_id: str
    underlying: str
    market: str
    captured_at: Instant
    session_date: date
    oi_as_of: date | None  # of the venue whose open interest is oldest
    spot: float | None  # USD
    venues: str
    venues_missing: str
    status: str
    scope_venue: str
    expiries: str  # in words
    generation: int
    sources: tuple[VenueSource, ...]


@dataclass(frozen=True)
class Table:
    """Rows that support the number."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Alternative:
    """The number by another convention, or why it cannot be computed from what is stored."""

    convention: str  # its name for --definition
    about: str  # unit, sign, scope, time or definition
    meaning: str
    value: Any
    unit: str | None = None  # None: not computable from what is stored


@dataclass(frozen=True)
class RawRow:
    """A row of an archived reply about a contract, as received."""

    venue: str
    instrument: str
    request: str | None  # the request of the reply
    file: str | None  # under raw/
    sha256: str  # of the body, unpacked
    row_number: int | None  # from 0; None: matched by the instrument's name
    place: str | None  # its path in the body
    row: Any  # as the venue sent it
    problem: str | None = None  # why it cannot be shown


@dataclass(frozen=True)
class Explanation:
    """Where one number comes from."""

    kind: str
    title: str
    number: Number
    definition: Definition
    scope: Scope
    inputs: tuple[Number, ...]
    tables: tuple[Table, ...]
    contracts: tuple[Row, ...]  # the largest contributors
    raw: tuple[RawRow, ...]  # of these contracts
    alternatives: tuple[Alternative, ...]  # why another source may differ
    asked_definition: str | None = None

    @property
    def requested_alternatives(self) -> tuple[Alternative, ...]:
        """The alternatives requested by `--definition`."""
        return tuple(one for one in self.alternatives if one.convention == self.asked_definition)
