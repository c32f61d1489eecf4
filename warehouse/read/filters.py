"""The request of a chart: an underlying, the filters of the table macros, and the range to show."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import date
from typing import Any

from models.errors import UsageError
from warehouse.catalog.filters import STRIKE_FILTERS, Filters, argument, meanings
from warehouse.read.number_text import number

_MEANINGS = meanings(Filters)
_VIEW = ("zoom_pct", "strike_step")


@dataclass(frozen=True)
class ChartRequest(Filters):
    """An underlying and filters; `zoom_pct` and `strike_step` change only the view."""

    underlying: str
    _: KW_ONLY
    venues: list[str] | None = argument(_MEANINGS["venues"])  # these two have the types of titles and messages
    expiry: date | None = argument(_MEANINGS["expiry"])
    zoom_pct: float | None = argument("show strikes within so many percent of spot; nothing is computed again")
    strike_step: float | None = argument("of `heatmap`: add strikes up in steps of so many USD")

    def __post_init__(self) -> None:
        """Raise `UsageError` for invalid sizes."""
        for name in _VIEW:
            size = getattr(self, name)
            if size is not None and not 0 < size < float("inf"):
                raise UsageError(f"--{name.replace('_', '-')} is {size:g}: give a number above 0.")

    def arguments(self, **changed: Any) -> dict[str, Any]:
        """Arguments of a table macro."""
        return {name: value for name, value in super().arguments().items() if name not in _VIEW} | changed

    def scope_arguments(self) -> dict[str, Any]:
        """Only the arguments that select the snapshot and its venues."""
        arguments = self.arguments()
        return {name: arguments[name] for name in ("underlying", "as_of", "venues", "complete_only")}

    @property
    def has_strike_filter(self) -> bool:
        """Whether a filter excludes strikes from all computations."""
        return any(getattr(self, name) is not None for name in STRIKE_FILTERS)

    def filters_in_words(self) -> str:
        """The filters in words, for the subtitle; empty without filters. The expiry is in the title."""
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
