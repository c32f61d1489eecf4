"""Converts table values to this dialect; units, signs and rounding change only here.

| quantity | tables | here |
|---|---|---|
| open interest, volume | units of the underlying | US: whole contracts; crypto: coins, with fractions |
| delta exposure of puts | sign × delta: positive | its natural sign: negated (definitions §5) |
| charm exposure | sign × charm | negated: positive when dealers buy as time passes |
| volatility | fraction | fraction, or percent where the contract says so |
| USD exposures | exact to the cent | as they are |
| NaN, infinite, NULL | NULL | null |
"""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from warehouse.api.dialects import utc_text

COIN_DIGITS = 8  # finer than any venue counts
Value = float | int | Decimal | None


def number(value: Value, digits: int | None = None) -> float | None:
    """A finite number, rounded; None for anything else."""
    if value is None:
        return None
    result = float(value)
    if not math.isfinite(result):
        return None
    return result if digits is None else round(result, digits) + 0.0


def known(value: Value) -> float:
    """A number that must not be null: 0 for null."""
    return number(value) or 0.0


def negated(value: Value) -> float | None:
    """A number with its sign changed; no negative zero."""
    result = number(value)
    return None if result is None else 0.0 - result


def percent(fraction: Value, digits: int = 2) -> float | None:
    """A fraction in percent."""
    result = number(fraction)
    return None if result is None else round(100 * result, digits)


def ratio(part: Value, whole: Value, digits: int | None = None) -> float | None:
    """Part / whole; None when either is missing or the whole is 0."""
    above, below = number(part), number(whole)
    return None if above is None or not below else number(above / below, digits)


def share_pct(part: Value, whole: Value, digits: int = 2) -> float | None:
    """100 · part / whole."""
    result = ratio(part, whole)
    return None if result is None else round(100 * result, digits)


def score(value: Value) -> int:
    """A score of 0 to 100, rounded half up; a part that is missing counts as 0."""
    return min(max(math.floor((number(value) or 0.0) + 0.5), 0), 100)


def contracts(value: Value, market: str) -> int | float | None:
    """Open interest, change or volume: whole contracts in the US, coins with their fractions in crypto."""
    result = number(value, COIN_DIGITS)
    return round(result) if market == "us" and result is not None else result


def contracts_or_0(value: Value, market: str) -> int | float:
    """The same where null is not allowed."""
    return contracts(value, market) or 0


def instant(value: datetime | None) -> str | None:
    """A naive UTC instant as text."""
    return None if value is None else utc_text(value)


def day(value: date) -> str:
    """A date as text."""
    return value.isoformat()


def sided(row: dict[str, Any], name: str, market: str) -> Any:
    """The column of open interest that this market is shown in: contracts, or coins."""
    return row[f"{name}_contracts"] if market == "us" else row[name]
