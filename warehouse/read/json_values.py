"""Serializes types without a JSON form, for `orjson.dumps(…, default=json_value)`."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any


def json_value(value: Any) -> Any:
    """Decimals as numbers, dates as ISO text, anything else as its text."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
