"""What the commands that call table macros take to choose rows, as one group of options."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from cyclopts import Parameter

from flows.cli.app import Venues, listed


@Parameter(name="*")  # each field is an option of its own
@dataclass(frozen=True)
class Filters:
    """Arguments of the table macros but for the underlying; what is not given filters nothing."""

    as_of: str | None = None
    venue: Venues = None
    expiry: Annotated[date | None, Parameter(help="Of the chart pain: without it the next monthly or quarterly one.")] = None
    expires_at: str | None = None
    dte_min: int | None = None
    dte_max: int | None = None
    strike_min: float | None = None
    strike_max: float | None = None
    moneyness_min: float | None = None
    moneyness_max: float | None = None
    window_pct: float | None = None
    complete_only: Annotated[bool, Parameter(negative="")] = False

    def arguments(self) -> dict[str, Any]:
        """By the names that the macros have for them; None filters nothing."""
        given = {name: value for name, value in vars(self).items() if name != "venue"}
        return given | {"venues": listed(self.venue) or None, "complete_only": self.complete_only or None}
