"""Facts of the snapshot that a chart shows: instant, spot, venues, missing data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import duckdb
import polars as pl

from models.errors import UsageError
from warehouse.read.filters import ChartRequest
from warehouse.read.number_text import day, instant, number
from warehouse.read.query import call_macro_on, report_on


@dataclass(frozen=True)
class Facts:
    """One snapshot in the requested scope."""

    snapshot_id: str
    underlying: str
    market: str
    captured_at: datetime
    session_date: date
    scope_venue: str
    spot: float | None
    status: str
    venues: str
    venues_missing: str
    is_repeat: bool
    origin: str
    oi_as_of: date | None
    expiries: tuple[dict[str, Any], ...]  # live expiries: expires_at, expiry, dte, total_oi, type, is_anchor, is_am_settled

    @property
    def venues_in_words(self) -> str:
        """`all venues (bybit, deribit)`, or the requested venues."""
        names = self.venues.split(",")
        if self.scope_venue != "all":
            selected = self.scope_venue.split("+")
            return f"venue{'s' if len(selected) > 1 else ''} {', '.join(selected)} of {', '.join(names)}"
        return f"venue {names[0]}" if len(names) == 1 else f"all venues ({', '.join(names)})"

    @property
    def lines(self) -> list[str]:
        """The lines under every title."""
        spot = "spot not measured" if self.spot is None else f"spot {number(self.spot)}"
        parts = [f"Captured {instant(self.captured_at)}", spot, self.venues_in_words]
        if self.market == "us" and self.oi_as_of is not None:
            parts.append(f"open interest of {day(self.oi_as_of)}")
        return [" · ".join(parts)]

    @property
    def warnings(self) -> list[str]:
        """Warnings about incomplete or late data of this snapshot."""
        texts = []
        if self.status == "partial":
            missing = self.venues_missing.replace(",", ", ")
            texts.append(f"PARTIAL SNAPSHOT: {f'without {missing}' if missing else 'a venue gave only a part of its chain'}")
        if self.is_repeat:
            texts.append("REPEAT: the open interest is that of an earlier snapshot of this session")
        if self.origin == "import":
            texts.append("imported from a file")
        return texts

    def labels(self, instants: Sequence[datetime]) -> list[str]:
        """A short name for each live expiry: `21 Aug`, with the year if there are several, with AM or PM if a date has both."""
        known = {one["expires_at"]: one for one in self.expiries}
        chosen = [known[one] for one in instants]
        dates = [one["expiry"] for one in self.expiries]
        has_years = len({one["expiry"].year for one in chosen}) > 1
        labels = []
        for one in chosen:
            half = "" if dates.count(one["expiry"]) == 1 else " AM" if one["is_am_settled"] else " PM"
            labels.append(f"{one['expiry'].day} {one['expiry']:%b}{one['expiry'].strftime(' %y') if has_years else ''}{half}")
        return labels

    def next_anchor(self) -> dict[str, Any]:
        """The nearest monthly or quarterly expiry with open interest; without one, the expiry with most of it."""
        with_interest = [one for one in self.expiries if one["total_oi"]]
        anchors = [one for one in with_interest if one["is_anchor"]]
        if anchors:
            return min(anchors, key=lambda one: one["expires_at"])
        return max(with_interest or self.expiries, key=lambda one: (one["total_oi"] or 0, one["expires_at"]))


def read_facts(con: duckdb.DuckDBPyConnection, request: ChartRequest) -> Facts:
    """The snapshot that the request's filters select; raises `UsageError` when there is none."""
    expiries = call_macro_on(con, "max_pain", request.scope_arguments())
    if expiries.is_empty():
        raise UsageError(_nothing(con, request))
    first = expiries.row(0, named=True)
    (row,) = report_on(con, "chart_snapshot", {"id": first["snapshot_id"], "scope_venue": first["scope_venue"]}).rows(named=True)
    types = report_on(con, "expiry_types", {"market": row["market"]})
    listed = expiries.select("expires_at", "expiry", "dte", "total_oi").join(types, on="expires_at", how="left", maintain_order="left")
    facts = Facts(
        **row, scope_venue=first["scope_venue"], spot=first["spot"],
        expiries=tuple(listed.with_columns(pl.col("is_anchor", "is_am_settled").fill_null(value=False)).rows(named=True)),
    )  # fmt: skip
    _check_expiry(facts, request)
    return facts


def selected_expiries(con: duckdb.DuckDBPyConnection, facts: Facts, request: ChartRequest) -> list[dict[str, Any]]:
    """The live expiries that pass the filters, nearest first; raises `UsageError` when there is none."""
    left = set(call_macro_on(con, "max_pain", request.arguments(expiry=None))["expires_at"])
    selected = [one for one in facts.expiries if one["expires_at"] in left and request.expiry in (None, one["expiry"])]
    if not selected:
        raise no_rows(facts, request, "live expiry")
    return selected


def no_rows(facts: Facts, request: ChartRequest, what: str) -> UsageError:
    """The error for filters that match no rows."""
    filters = request.filters_in_words()
    return UsageError(f"{facts.snapshot_id} has no {what}{f' ({filters})' if filters else ''}: ask for more, or leave filters out.")


def _nothing(con: duckdb.DuckDBPyConnection, request: ChartRequest) -> str:
    known = report_on(con, "underlyings", {}).rows(named=True)
    name = request.underlying.upper()
    mine = next((row for row in known if row["underlying"] == name), None)
    if mine is None:
        return f"No snapshot of {name} is published. Known: {', '.join(row['underlying'] for row in known) or 'none'}."
    wanted = [f"at or before {request.as_of}"] if request.as_of else []
    wanted += [f"from {' or '.join(request.venues)}"] if request.venues else []
    wanted += ["with every venue that was asked"] if request.complete_only else []
    span = f"{instant(mine['first_at'])} to {instant(mine['last_at'])}, venues {mine['venues']}"
    return f"No snapshot of {name} {' '.join(wanted)} is published; there are {mine['snapshots']} ({span})."


def _check_expiry(facts: Facts, request: ChartRequest) -> None:
    if request.expiry is None or any(one["expiry"] == request.expiry for one in facts.expiries):
        return
    dates = sorted({one["expiry"] for one in facts.expiries}, key=lambda one: (abs((one - request.expiry).days), one))
    near = ", ".join(one.isoformat() for one in sorted(dates[:4]))
    raise UsageError(f"{facts.snapshot_id} has no live expiry on {request.expiry}. Nearest: {near}.")
