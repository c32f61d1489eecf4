"""What a run did: its outcomes by underlying and venue, and the exit code that follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.run.alerts import NO_NEWS, AlertNews
from flows.run.exit_codes import exit_code
from flows.run.fetch import FetchedBook
from flows.run.parse import UnderlyingLoad
from flows.run.plan import Plan
from models.snapshot import OK, REJECTED, VenueReading
from warehouse.catalog.checks import all_checks
from warehouse.publish.status import VenueOutcome


@dataclass(frozen=True)
class RunChart:
    """The page of charts of one underlying, or why there is none."""

    underlying: str
    file: Path | None
    error: str | None = None


@dataclass(frozen=True)
class RunResult:
    """What a run did."""

    plan: Plan
    fetched: Sequence[FetchedBook]
    loads: Sequence[UnderlyingLoad]
    generation: int | None  # None: nothing was published
    hold_reason: str | None  # why not
    not_loaded: Sequence[str] = ()  # earlier runs whose archive is damaged
    charts: Sequence[RunChart] = ()  # what it drew, when it was asked to
    alerts: AlertNews = NO_NEWS

    @property
    def outcomes(self) -> list[VenueOutcome]:
        """What came of each underlying and venue asked, in the order of the plan."""
        return all_outcomes(self.loads)

    @property
    def exit_code(self) -> int:
        """See `flows.run.exit_codes`."""
        checks = {check.name for check in all_checks()}
        outcomes = self.outcomes
        is_aside = [outcome.status == REJECTED and outcome.error in checks for outcome in outcomes]
        has_failed = any(outcome.status != OK and not aside for outcome, aside in zip(outcomes, is_aside, strict=True))
        is_usable = any(outcome.status == OK for outcome in outcomes)
        return exit_code(usable=is_usable, failed=has_failed, set_aside=any(is_aside), unpublished=bool(self.hold_reason))


def all_outcomes(loads: Sequence[UnderlyingLoad]) -> list[VenueOutcome]:
    """What came of each underlying and venue of these loads."""
    return [outcome for load in loads for outcome in outcomes_of(load)]


def outcomes_of(load: UnderlyingLoad) -> list[VenueOutcome]:
    """What came of each venue that was asked for one underlying."""
    rows = {row["venue"]: row for row in load.load.venues.iter_rows(named=True)} if load.load else {}
    return [_outcome(load.underlying, reading, rows.get(reading.venue)) for reading in load.readings]


def nothing_usable(load: UnderlyingLoad) -> str | None:
    """Why a load gave no venue that can be used; None when one can."""
    outcomes = outcomes_of(load)
    return None if any(one.status == OK for one in outcomes) else "; ".join(f"{one.venue}: {one.error or one.status}" for one in outcomes)


def _outcome(underlying: str, reading: VenueReading, row: dict[str, Any] | None) -> VenueOutcome:
    chain = reading.chain
    status = row["status"] if row and chain else "empty" if chain else "failed"
    error = row["error"] if row and chain else reading.error or "the venue lists no contract of it"
    return VenueOutcome(
        underlying=underlying,
        venue=reading.venue,
        market=reading.market,
        status=status,
        error=error,
        contracts=chain.quotes.height if chain else None,
        open_interest=row["oi_base_total"] if row and chain else None,
        rejected_rows=chain.rejected.height if chain else None,
        warnings=chain.warnings if chain else (),
        unknown_fields=dict(chain.unknown_fields) if chain else {},
    )
