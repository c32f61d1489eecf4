"""One run as a list of named steps, `STEPS`. `run_snapshot` takes them here; flows/prefect_app/flow.py takes the same list with Prefect."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Any

import duckdb

from flows.run.alerts import AlertNews, deliver_news, evaluate_rules
from flows.run.fetch import VenueLine, write_run_manifest
from flows.run.parse import Replies, UnderlyingLoad, load_underlying, read_chain, replies_for
from flows.run.plan import Plan, sources_of
from flows.run.replay import load_pending_runs
from flows.run.report import draw_pages, report_markdown, report_rows
from flows.run.result import RunChart, RunResult, all_outcomes, nothing_usable
from flows.run.walk import Artifact, Asset, Call, Perform, RunContext, RunState, Step, call_directly, once, walk
from models.errors import StructureCheckFailed
from models.snapshot import OK
from warehouse.home.logs import logged
from warehouse.home.paths import Home
from warehouse.home.version import code_version
from warehouse.load.runs import record_run
from warehouse.load.snapshot_rows import has_snapshots
from warehouse.publish.generations import check_structure, live_generation, repair_manifest, write_generation
from warehouse.publish.status import write_status
from warehouse.settings import Settings
from warehouse.storage.transactions import is_unpublished
from warehouse.storage.work_file import open_work, read_calendar

LOG = logging.getLogger("strikehouse.run")
PUBLISHED = "duckdb://strikehouse/published"


def run_snapshot(home: Home, settings: Settings, plan: Plan, perform: Perform = call_directly) -> RunResult:
    """Fetch, load and publish one plan."""
    home.prepare()
    with logged(run_id=plan.run_id), ExitStack() as resources:
        state = RunState(resources)
        walk(STEPS, RunContext(home, settings, plan.run_id, plan), state, perform)
        return state.result(plan)


# ── fetch ──


def _fetch_calls(run: RunContext, state: RunState) -> Iterator[Call]:
    """One call per venue and book; the books of a venue share its line, and so its pace."""
    sources = sources_of(run.plan, run.settings)
    for venue, books in run.plan.books().items():
        line = state.resources.enter_context(VenueLine(run.home, sources[venue]))
        yield from (Call(f"fetch {venue}/{book.name}", partial(line.fetch, book), lane=venue) for book in books)


def _note_fetched(state: RunState, results: list[Any]) -> None:
    state.fetched = results
    state.resources.close()  # the lines to the venues


def _archive(run: RunContext, state: RunState) -> dict[str, Any]:
    """Close the archive of the run: what was requested, which folders answer it, what failed."""
    return write_run_manifest(run.home, run.settings, run.plan, state.fetched, datetime.now(UTC))


# ── load ──


def _open(run: RunContext, state: RunState) -> duckdb.DuckDBPyConnection:
    """Open the work file, for this process alone."""
    con = state.resources.enter_context(open_work(run.home, run.settings, f"snapshot {run.run_id}"))
    state.calendar = read_calendar(con)
    return con


def _replay(run: RunContext, state: RunState) -> list[str]:
    """Load what earlier runs archived and could not load."""
    return load_pending_runs(state.con, run.home, run.settings, but=run.plan.run_id, calendar=state.sessions)


def _parse_calls(run: RunContext, state: RunState) -> Iterator[Call]:
    """One call per venue of the underlying."""
    sources = sources_of(run.plan, run.settings)
    replies = {(one.venue, one.book): Replies(one.payloads, one.error) for one in state.fetched}
    for ask in (ask for ask in run.plan.asks if ask.underlying == state.underlying):
        answer = replies_for({"venue": ask.venue, "books": ask.books}, replies)
        parse = partial(read_chain, sources[ask.venue], ask.underlying, answer, state.sessions)
        yield Call(f"parse {ask.underlying} on {ask.venue}", parse)


def _note_readings(state: RunState, results: list[Any]) -> None:
    state.readings = results


def _load(run: RunContext, state: RunState) -> UnderlyingLoad:
    """Models, marts and row checks of the underlying, and its transaction."""
    return load_underlying(
        state.con,
        state.underlying,
        state.readings,
        run_id=run.plan.run_id,
        origin="live",
        calendar=state.sessions,
        settings=run.settings,
    )


def _load_calls(run: RunContext, state: RunState) -> Iterator[Call]:
    yield Call(f"load {state.underlying}", partial(_load, run, state))


def _note_load(state: RunState, results: list[Any]) -> None:
    state.loads += results


def _record(run: RunContext, state: RunState) -> None:
    record_run(state.con, run.home, dict(state.manifest))
    state.outcomes = all_outcomes(state.loads)


def _not_loaded(load: UnderlyingLoad, _state: RunState) -> str | None:
    return nothing_usable(load)


def _asset_of(call: Call) -> str:
    return _asset(call.title.removeprefix("load "))


def _loaded_assets(state: RunState) -> list[str]:
    return [_asset(load.underlying) for load in state.loads if nothing_usable(load) is None]


def _asset(underlying: str) -> str:
    return f"duckdb://strikehouse/snapshots/{underlying.lower()}"


# ── check, alert, publish ──


def _check(run: RunContext, state: RunState) -> str | None:
    """Why a structural check holds the publication back, where one is due."""
    if not _is_due(run.home, state.con):
        return None
    with logged(step="check"):
        try:
            check_structure(state.con)
        except StructureCheckFailed as error:
            LOG.error("held back: %s", error, extra={"shown": True})
            return str(error)
    return None


def _is_due(home: Home, con: duckdb.DuckDBPyConnection) -> bool:
    """Whether there is something that readers do not see yet."""
    if not has_snapshots(con):
        return False
    return live_generation(home) is None or not home.published_file.exists() or is_unpublished(con)


def _alert(run: RunContext, state: RunState) -> AlertNews:
    """Evaluate every rule before the publication, so that it holds what they open."""
    return evaluate_rules(state.con, run.home, run.settings, state.outcomes, hold_reason=state.hold_reason, now=datetime.now(UTC))


def _publish(run: RunContext, state: RunState) -> int | None:
    """The live generation, a new one when one is due; None when a check holds it back, or nothing usable was ever captured."""
    if state.hold_reason is not None or not has_snapshots(state.con):
        return None
    repair_manifest(run.home)
    if not _is_due(run.home, state.con):
        return live_generation(run.home)
    with logged(step="publish"):
        now = datetime.now(UTC)
        generation = write_generation(state.con, run.home, run.settings, run_id=run.run_id, now=now, code_version=code_version())
        LOG.info("generation %d is live", generation)
        return generation


def _not_published(generation: int | None, state: RunState) -> str | None:
    return None if generation is not None else state.hold_reason or "nothing usable was ever captured"


def _deliver(run: RunContext, state: RunState) -> AlertNews:
    return deliver_news(state.con, run.settings, state.news, datetime.now(UTC))


# ── report ──


def _status(run: RunContext, state: RunState) -> None:
    """Write published/status.json, and what came of each venue into the log."""
    for one in state.outcomes:
        with logged(underlying=one.underlying, venue=one.venue, step="end"):
            level = logging.INFO if one.status == OK else logging.WARNING
            LOG.log(level, "%s%s", one.status, f": {one.error}" if one.error else "", extra={"shown": True})
    write_status(
        state.con,
        run.home,
        run_id=run.run_id,
        now=datetime.now(UTC),
        generation=live_generation(run.home),
        hold_reason=state.hold_reason,
        outcomes=state.outcomes,
    )


def _close(_run: RunContext, state: RunState) -> None:
    """Let the next writer have the work file: what follows only reads what is published."""
    state.resources.close()
    state.connection = None


def _report(run: RunContext, state: RunState) -> tuple[RunChart, ...]:
    return draw_pages(run.home, run.settings, state.result(run.plan))


def _artifacts(run: RunContext, state: RunState) -> list[Artifact]:
    result = state.result(run.plan)
    return [
        Artifact("run-venues", f"Venues of run {run.run_id}", report_rows(result)),
        Artifact("run-report", f"Run {run.run_id}", report_markdown(run.home, result)),
    ]


CHECK = once("check", _check, "hold_reason")
PUBLISH = once("publish", _publish, "generation", is_task=True, asset=Asset(lambda _call: PUBLISHED, _not_published, _loaded_assets))
STATUS = once("status", _status)
PUBLICATION = (CHECK, PUBLISH, STATUS)  # what a rebuild and an import end with too
STEPS = (
    Step("fetch", _fetch_calls, _note_fetched, is_task=True, is_concurrent=True, can_heal=lambda fetched: fetched.can_heal),
    once("archive", _archive, "manifest"),
    once("open", _open, "connection", guards_writing=True),
    once("replay", _replay, "damaged"),
    Step("parse", _parse_calls, _note_readings, is_task=True, is_per_underlying=True),
    Step("load", _load_calls, _note_load, is_task=True, is_per_underlying=True, asset=Asset(_asset_of, _not_loaded)),
    once("record", _record),
    CHECK,
    once("alert", _alert, "news", title="alerts", is_task=True),
    PUBLISH,
    once("deliver", _deliver, "news", title="deliver alerts", is_task=True),
    STATUS,
    once("close", _close),
    once("report", _report, "charts", artifacts=_artifacts),
)
