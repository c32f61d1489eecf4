"""What a chart is asked for: an underlying and the same filters as the table macros, and how much of it to show."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from models.errors import UsageError
from warehouse.read.number_text import number

_STRIKES = ("strike_min", "strike_max", "moneyness_min", "moneyness_max", "window_pct")
_VIEW = ("zoom_pct", "strike_step")


@dataclass(frozen=True)
class ChartRequest:
    """Filters, which apply before anything is computed; `zoom_pct` and `strike_step` change only what is seen."""

    underlying: str
    as_of: str | None = None
    venues: list[str] | None = None
    expiry: date | None = None
    expires_at: str | None = None
    dte_min: int | None = None
    dte_max: int | None = None
    strike_min: float | None = None
    strike_max: float | None = None
    moneyness_min: float | None = None
    moneyness_max: float | None = None
    window_pct: float | None = None
    complete_only: bool | None = None
    zoom_pct: float | None = None  # strikes within so many percent of spot are in view
    strike_step: float | None = None  # of the heatmap: strikes are added up in steps of so many USD

    def __post_init__(self) -> None:
        """Raise `UsageError` for sizes that are none."""
        for name in _VIEW:
            size = getattr(self, name)
            if size is not None and not 0 < size < float("inf"):
                raise UsageError(f"--{name.replace('_', '-')} is {size:g}: give a number above 0.")

    def arguments(self, **changed: Any) -> dict[str, Any]:
        """Arguments of a table macro."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _VIEW}
        return given | changed

    def scope_arguments(self) -> dict[str, Any]:
        """Only what chooses the snapshot and its venues."""
        return {name: getattr(self, name) for name in ("underlying", "as_of", "venues", "complete_only")}

    @property
    def has_strike_filter(self) -> bool:
        """Whether some strikes are left out of everything computed."""
        return any(getattr(self, name) is not None for name in _STRIKES)

    def filters_in_words(self) -> str:
        """What is left out, for the subtitle; empty when nothing is. The expiry is in the title."""
        ranges = (
            ("strikes", self.strike_min, self.strike_max),
            ("strike/spot", self.moneyness_min, self.moneyness_max),
            ("days to settlement", self.dte_min, self.dte_max),
        )
        words = [f"{name} {_range(low, high)}" for name, low, high in ranges if low is not None or high is not None]
        if self.window_pct is not None:
            words.append(f"strikes within {number(self.window_pct)} % of spot")
        return f"computed from {', '.join(words)} only" if words else ""


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return f"up to {number(high)}"
    return f"from {number(low)}" if high is None else f"{number(low)} to {number(high)}"
