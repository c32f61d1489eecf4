"""Parameters of the dialect; invalid ones raise 400."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Annotated
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from fastapi import Path, Query

from warehouse.api.flashalpha.errors import invalid

NEW_YORK = ZoneInfo("America/New_York")
CLOSE = time(16)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_AT = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,7})?)?(Z|[+-]\d{2}:\d{2})?)?", re.ASCII)

_AT_TEXT = (
    "The newest snapshot at or before this moment: `YYYY-MM-DDTHH:MM:SS` is New York wall clock, `YYYY-MM-DD` means 16:00 there; "
    "a trailing `Z` or offset is honoured."
)
_DATE_SCHEMA = {"format": "date", "examples": ["2026-11-20"]}
At = Annotated[str | None, Query(description=f"{_AT_TEXT} Without it the newest of all.", examples=["2026-11-13T15:30:00"])]
RequiredAt = Annotated[str, Query(description=_AT_TEXT, examples=["2026-11-13T15:30:00"])]
Symbol = Annotated[str, Path(description="Underlying, in any case; `/` as `%2F`", examples=["SPY"])]
Expiration = Annotated[
    str | None, Query(description="Only this expiration date; its settlement instants are pooled", json_schema_extra=_DATE_SCHEMA)
]
Expiry = Annotated[str | None, Query(description="This expiration date", json_schema_extra=_DATE_SCHEMA)]
MinOi = Annotated[int, Query(ge=0, le=10**15, description="Only strikes with at least so much open interest, calls and puts together")]
StrikeRange = Annotated[float, Query(ge=0.001, le=0.10, allow_inf_nan=False, description="Part of spot kept in `strikes`, either side")]


def normalised(symbol: str) -> str:
    """A symbol in its stored form: decoded, upper case."""
    return unquote(symbol).strip().upper()


def read_date(parameter: str, text: str | None) -> date | None:
    """A date parameter; raises `invalid_expiry`."""
    if text is None:
        return None
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise invalid(parameter, f"{parameter} must be a date like 2026-11-20, not {text[:40]!r}.")


def read_at(text: str | None, now: datetime) -> datetime | None:
    """The requested moment as naive UTC; raises `invalid_at` when it is malformed or in the future."""
    if text is None:
        return None
    try:
        if not _AT.fullmatch(text):
            raise ValueError(text)
        instant = datetime.combine(date.fromisoformat(text), CLOSE) if len(text) == len("2026-11-20") else datetime.fromisoformat(text)
        moment = (instant if instant.tzinfo else instant.replace(tzinfo=NEW_YORK)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid("at", f"at must be like 2026-11-13T15:30:00 or 2026-11-13, not {text[:40]!r}.") from None
    if moment > now:
        raise invalid("at", f"at lies in the future: {text} is {moment:%Y-%m-%dT%H:%M:%SZ}.")
    return moment.replace(tzinfo=None)
