"""The chart object, and titles and expiries shared by all kinds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from warehouse.read.filters import ChartRequest
from warehouse.read.number_text import day
from warehouse.read.snapshot_facts import Facts

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Chart:
    """One figure, its title as plain text, and the snapshot that it shows."""

    kind: str
    title: str
    figure: Figure
    facts: Facts
    expiry: date | None = None

    def file_stem_of(self, kind: str) -> str:
        """`SPX-pain-2026-08-21-20260728T224031Z`, for this chart or its page; deterministic for the same data."""
        captured = self.facts.snapshot_id.rpartition("-")[2]
        expiry = self.expiry.isoformat() if self.expiry is not None and kind == self.kind else None
        return "-".join(part for part in (self.facts.underlying, kind, expiry, captured) if part)


def chosen_expiry(facts: Facts, request: ChartRequest) -> tuple[dict[str, Any], str]:
    """Macro arguments of the one expiry that a chart shows, and its name: the requested one, or the next monthly or quarterly one."""
    if request.expires_at is not None:
        return request.arguments(), f"settlement {request.expires_at} UTC"
    expiry = request.expiry or facts.next_anchor()["expiry"]
    return request.arguments(expiry=expiry), expiry_name(facts, expiry)


def expiry_name(facts: Facts, expiry: date) -> str:
    """`Fri 21 Aug 2026, monthly (AM + PM)`: a request by date pools both."""
    same = [one for one in facts.expiries if one["expiry"] == expiry]
    kind = next((f", {one['type']}" for one in same if one["is_anchor"]), "")
    return f"{day(expiry)}{kind}" + (" (AM + PM)" if len(same) > 1 else "")


def expiries_in_words(facts: Facts, request: ChartRequest) -> str:
    """The expiries that a chart sums, for its title."""
    if request.expires_at is not None:
        return f"settlement {request.expires_at} UTC"
    if request.expiry is not None:
        return expiry_name(facts, request.expiry)
    return "all expiries" if request.dte_min is None and request.dte_max is None else "some expiries"


def lines_under(facts: Facts, request: ChartRequest, *more: str) -> list[str]:
    """The lines under a title: those of the snapshot, the filters, and those of the chart."""
    added = [line for line in (request.filters_in_words(), *more) if line]
    return [*facts.lines, *(line[0].upper() + line[1:] for line in added)]
