"""The filters of table macros, `show`, `chart`, the Python client and docs/tables.md: names, defaults and meanings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from typing import Any

Instant = datetime | date | str  # an aware datetime is converted to UTC; a naive one and a text are UTC
Day = date | str
Names = str | Sequence[str]


def argument(meaning: str, default: Any = None) -> Any:
    """A field of a request, with the description shown in docs and command help."""
    return field(default=default, metadata={"meaning": meaning})


def meanings(request: type) -> dict[str, str]:
    """Name of each field of a request that is optional → its meaning."""
    return {one.name: one.metadata["meaning"] for one in fields(request) if "meaning" in one.metadata}


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which snapshot of an underlying, and which of its venues, expiries and strikes.

    Filters apply before sums, ranks and levels are computed. A default value filters nothing. The order is that of the macros.
    """

    as_of: Instant | None = argument("the newest snapshot at or before this instant (UTC); without it the newest")
    venues: Names | None = argument("only these venues, added up again: `deribit`, `deribit,cboe` or a list; without it all")
    expiry: Day | None = argument("only this date; its settlement instants are pooled before anything is computed")
    expires_at: Instant | None = argument("only this settlement instant (UTC)")
    dte_min: int | None = argument("at least so many days to settlement")
    dte_max: int | None = argument("at most so many days to settlement")
    strike_min: float | None = argument("strikes from here")
    strike_max: float | None = argument("strikes up to here")
    moneyness_min: float | None = argument("strike / spot from here: `0.9`")
    moneyness_max: float | None = argument("strike / spot up to here")
    window_pct: float | None = argument("strikes within so many percent of spot, either side")
    complete_only: bool = argument("only snapshots for which every venue asked was usable", default=False)

    def arguments(self) -> dict[str, Any]:
        """Arguments of a table macro, in DuckDB types; None for a filter that is not set."""
        return {one.name: None if (value := getattr(self, one.name)) is False else sql_value(value) for one in fields(self)}


STRIKE_FILTERS = ("strike_min", "strike_max", "moneyness_min", "moneyness_max", "window_pct")


@dataclass(frozen=True, kw_only=True)
class CalendarFilters(Filters):
    """Filters of the macro `opex_calendar`."""

    until: Day | None = argument(
        "of `opex_calendar` only: up to this date, with expiries that the listing rules foresee and no stored chain has"
    )


def macro_arguments(filters: type[Filters] = Filters, *, without: Collection[str] = ()) -> tuple[str, ...]:
    """The optional arguments of a macro as its definition in SQL lists them."""
    return tuple(f"{one.name} := {'null' if one.default is None else 'false'}" for one in fields(filters) if one.name not in without)


def sql_value(value: Any) -> Any:
    """Convert a value for DuckDB: instants as naive UTC, sequences as lists."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return value
