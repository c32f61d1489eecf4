"""Formats of numbers, dates and expiries in charts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

_STEPS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def usd(value: float | None, *, sign: bool = False) -> str:
    """USD in steps of a thousand: `$1.23B`, `−$450M`; with `sign` also `+$1.23B`; `not measured` for null."""
    if value is None:
        return "not measured"
    size = abs(value)
    step, letter = next(((step, letter) for step, letter in _STEPS if size >= step * 0.9995), (1.0, ""))
    text = f"{size / step:,.3g}" if size / step < 999.5 else f"{size / step:,.0f}"
    return f"{'−' if value < 0 else '+' if sign and value > 0 else ''}${text}{letter}"


def number(value: float | None, unit: str = "") -> str:
    """A plain number with thousand separators and at most two decimals; `not measured` for null."""
    if value is None:
        return "not measured"
    decimals = 0 if abs(value) >= 1e6 else 2
    text = f"{value:,.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{text} {unit}".rstrip().replace("-", "−")


def percent(value: float | None, decimals: int = 1) -> str:
    """Format a value in percent."""
    return "not measured" if value is None else f"{value:.{decimals}f} %".replace("-", "−")


def day(value: date) -> str:
    """`Fri 21 Aug 2026`."""
    return f"{value:%a} {value.day} {value:%b %Y}"


def instant(value: datetime) -> str:
    """`2026-07-28 22:40 UTC`."""
    return f"{value:%Y-%m-%d %H:%M} UTC"


def floats(values: Iterable[Any]) -> list[float | None]:
    """Numbers for plotly; null stays null and becomes a gap."""
    return [None if value is None else float(value) for value in values]
