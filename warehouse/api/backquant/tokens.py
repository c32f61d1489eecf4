"""Expiry tokens: `DDMMMYY`, zero-padded on output, padding and case optional on input."""

from __future__ import annotations

import re
from datetime import date

from warehouse.api.backquant.errors import Invalid, invalid

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_TOKEN = re.compile(r"([0-9]{1,2})([A-Za-z]{3})([0-9]{2})")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def token_of(expiry: date) -> str:
    """`07MAR26`."""
    return f"{expiry.day:02d}{MONTHS[expiry.month - 1]}{expiry.year % 100:02d}"


def date_of(text: str, name: str = "expiry") -> date:
    """The date of a token (padded or not, any case) or of `YYYY-MM-DD`; raises `Invalid` for anything else."""
    match = _TOKEN.fullmatch(text)
    try:
        if match and match[2].upper() in MONTHS:
            return date(2000 + int(match[3]), MONTHS.index(match[2].upper()) + 1, int(match[1]))
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass  # not a calendar day: refused below like any other text
    raise _malformed(text, name)


def _malformed(text: str, name: str) -> Invalid:
    return invalid(name, "value_error", f"{text!r} is no expiry; write it like 27NOV26 or 2026-11-27")
