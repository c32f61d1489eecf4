"""One run as plain functions: fetch, archive, load, check, publish. Prefect (flows/prefect_app/flow.py) calls the same ones."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from flows.run.alerts import NO_NEWS, AlertNews, alerts_after_publication, alerts_before_publication
from flows.run.fetch import FetchedBook, fetch_all, write_run_manifest
from flows.run.parse import Replies, UnderlyingLoad, load_underlying, read_chain, replies_for
from flows.run.plan import Plan, sources_of
from flows.run.replay import load_pending_runs
from models.errors import StructureCheckFailed
from models.snapshot import OK, REJECTED, VenueReading
from warehouse.catalog.checks import all_checks
from warehouse.home.logs import logged
from warehouse.home.paths import Home
from warehouse.home.version import code_version
from warehouse.load.runs import record_run
from warehouse.load.snapshot_rows import has_snapshots
from warehouse.publish.generations import live_generation, mend_manifest, publish
from warehouse.publish.status import VenueOutcome, write_status
from warehouse.settings import Settings
from warehouse.storage.transactions import is_unpublished
from warehouse.storage.work_file import open_work, read_calendar

LOG = logging.getLogger("strikehouse.run")
DONE, NOTHING_USABLE, USAGE, PARTLY, SET_ASIDE, STALE_DATA = 0, 1, 2, 3, 4, 5


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
    held: str | None  # why not
    not_loaded: Sequence[str] = ()  # earlier runs whose archive is damaged
    charts: Sequence[RunChart] = ()  # what it drew, when it was asked to
    alerts: AlertNews = NO_NEWS

    @property
    def outcomes(self) -> list[VenueOutcome]:
        """What came of each underlying and venue asked, in the order of the plan."""
        return all_outcomes(self.loads)

    @property
    def exit_code(self) -> int:
        """0 done, 1 nothing usable, 3 some venues failed, 4 checks set something aside."""
        checks = {check.name for check in all_checks()}
        outcomes = self.outcomes
        is_aside = [outcome.status == REJECTED and outcome.error in checks for outcome in outcomes]
        has_failed = any(outcome.status != OK and not aside for outcome, aside in zip(outcomes, is_aside, strict=True))
        if not any(is_aside) and not any(outcome.status == OK for outcome in outcomes):
            return NOTHING_USABLE
        if has_failed:
            return PARTLY
        return SET_ASIDE if any(is_aside) or self.held else DONE


def run_snapshot(home: Home, settings: Settings, plan: Plan) -> RunResult:
    """Fetch, load and publish one plan, without Prefect."""
    home.prepare()
    with logged(run_id=plan.run_id):
        return _run_snapshot(home, settings, plan)


def _run_snapshot(home: Home, settings: Settings, plan: Plan) -> RunResult:
    fetched = fetch_all(home, sources_of(plan, settings), plan.books())
    manifest = write_run_manifest(home, settings, plan, fetched, datetime.now(UTC))
    with open_work(home, settings, f"snapshot {plan.run_id}") as con:
        calendar = read_calendar(con)
        damaged = load_pending_runs(con, home, settings, but=plan.run_id, calendar=calendar)
        loads = []
        for underlying in plan.underlyings:
            readings = [read_chain(source, underlying, replies, calendar) for source, replies in asked(plan, settings, underlying, fetched)]
            loads.append(
                load_underlying(con, underlying, readings, run_id=plan.run_id, origin="live", calendar=calendar, settings=settings)
            )
        record_run(con, home, manifest)
        news = alerts_before_publication(con, home, settings, all_outcomes(loads))
        generation, held = publish_run(con, home, settings, plan.run_id)
        news = alerts_after_publication(con, home, settings, news, all_outcomes(loads), held=held)
        result = RunResult(plan, fetched, loads, generation, held, tuple(damaged), alerts=news)
        close_run(con, home, result)
    return result


def asked(plan: Plan, settings: Settings, underlying: str, fetched: Sequence[FetchedBook]) -> list[tuple[Any, Replies]]:
    """For one underlying: each source that was asked, and its replies."""
    sources = sources_of(plan, settings)
    replies = {(one.venue, one.book): Replies(one.payloads, one.error) for one in fetched}
    return [
        (sources[ask.venue], replies_for({"venue": ask.venue, "books": ask.books}, replies))
        for ask in plan.asks
        if ask.underlying == underlying
    ]


def publish_run(con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, run_id: str) -> tuple[int | None, str | None]:
    """Publish what readers do not see yet: (live generation, None), or (None, why a structural check holds it back)."""
    if not has_snapshots(con):
        return None, None
    mend_manifest(home)
    live = live_generation(home)
    if live is not None and home.published_file.exists() and not is_unpublished(con):
        return live, None
    with logged(step="publish"):
        try:
            generation = publish(con, home, settings, run_id=run_id, now=datetime.now(UTC), code_version=code_version())
        except StructureCheckFailed as error:
            LOG.error("held back: %s", error, extra={"shown": True})
            return None, str(error)
        LOG.info("generation %d is live", generation)
        return generation, None


def close_run(con: duckdb.DuckDBPyConnection, home: Home, result: RunResult) -> None:
    """Write published/status.json, and what came of each venue into the log."""
    for one in result.outcomes:
        with logged(underlying=one.underlying, venue=one.venue, step="end"):
            level = logging.INFO if one.status == OK else logging.WARNING
            LOG.log(level, "%s%s", one.status, f": {one.error}" if one.error else "", extra={"shown": True})
    write_status(
        con,
        home,
        run_id=result.plan.run_id,
        now=datetime.now(UTC),
        generation=live_generation(home),
        held=result.held,
        outcomes=result.outcomes,
    )


def all_outcomes(loads: Sequence[UnderlyingLoad]) -> list[VenueOutcome]:
    """What came of each underlying and venue of these loads."""
    return [outcome for load in loads for outcome in outcomes_of(load)]


def outcomes_of(load: UnderlyingLoad) -> list[VenueOutcome]:
    """What came of each venue that was asked for one underlying."""
    rows = {row["venue"]: row for row in load.load.venues.iter_rows(named=True)} if load.load else {}
    return [_outcome(load.underlying, reading, rows.get(reading.venue)) for reading in load.readings]


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
