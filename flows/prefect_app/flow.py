"""The snapshot flow: the functions of flows/run/steps.py as Prefect tasks, with retries, lineage and a run report.

Tasks are coarse, because each costs about 50 ms: one fetch per venue and book, one parse per underlying and venue, one load (models, marts,
checks) per underlying, one publication. Only what can heal is retried; the HTTP client has retried single requests before that.
Arguments are bound before Prefect sees a task: it would walk through settings and whole chains to look for futures in them.
Import this module after `set_prefect_environment`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, TypeVar

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.assets import Asset, materialize
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.prefect_app.limit import prefect_slot
from flows.run.alerts import alerts_after_publication, alerts_before_publication
from flows.run.charts import with_charts
from flows.run.fetch import FetchedBook, VenueLine, write_run_manifest
from flows.run.parse import UnderlyingLoad, load_underlying, read_chain
from flows.run.plan import Plan, sources_of
from flows.run.replay import load_pending_runs
from flows.run.report import report_markdown, report_rows
from flows.run.steps import RunResult, all_outcomes, asked, close_run, outcomes_of, publish_run
from models.chain import Book
from models.snapshot import OK
from warehouse.home.logs import log_fields, logged
from warehouse.home.paths import Home
from warehouse.load.runs import record_run
from warehouse.settings import Settings
from warehouse.storage.work_file import open_work, read_calendar

T = TypeVar("T")
PUBLISHED = "duckdb://strikehouse/published"


class StillFailing(Exception):
    """A book that could not be fetched but may be a little later."""

    def __init__(self, fetched: FetchedBook) -> None:
        super().__init__(fetched.error)
        self.fetched = fetched


class NotMade(Exception):
    """A step ended in order and yet did not make its asset; `result` is what it gave all the same."""

    def __init__(self, why: str, result: Any) -> None:
        super().__init__(why)
        self.result = result


def run_with_prefect(home: Home, settings: Settings, plan: Plan) -> RunResult:
    """Fetch, load and publish one plan as a flow run."""
    home.prepare()
    runner: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=8)

    @flow(name="snapshot", flow_run_name=f"snapshot {plan.run_id}", task_runner=runner)
    def snapshot(asks: list[str]) -> RunResult:  # noqa: ARG001 - Prefect shows what was asked
        fetched = _fetch(home, settings, plan)
        manifest = write_run_manifest(home, settings, plan, fetched, datetime.now(UTC))
        with open_work(home, settings, f"snapshot {plan.run_id}") as con, prefect_slot(home):
            calendar = read_calendar(con)
            damaged = load_pending_runs(con, home, settings, but=plan.run_id, calendar=calendar)
            loads = []
            for underlying in plan.underlyings:
                readings = [
                    _step(f"parse {underlying} on {source.name}", read_chain, source, underlying, replies, calendar)
                    for source, replies in asked(plan, settings, underlying, fetched)
                ]
                load = _bound(
                    load_underlying, con, underlying, readings, run_id=plan.run_id, origin="live", calendar=calendar, settings=settings
                )
                loads.append(_make(_asset(underlying), f"load {underlying}", load, _nothing_usable))
            record_run(con, home, manifest)
            outcomes = all_outcomes(loads)
            news = _step("alerts", alerts_before_publication, con, home, settings, outcomes)
            publish = _bound(publish_run, con, home, settings, plan.run_id)
            assets: list[str | Asset] = [_asset(load.underlying) for load in loads if _nothing_usable(load) is None]
            generation, held = _make(PUBLISHED, "publish", publish, _not_published, asset_deps=assets)
            news = _step("deliver alerts", _bound(alerts_after_publication, con, home, settings, news, outcomes, held=held))
            result = RunResult(plan, fetched, loads, generation, held, tuple(damaged), alerts=news)
            close_run(con, home, result)
        result = with_charts(home, settings, result)
        create_table_artifact(report_rows(result), key="run-venues", description=f"Venues of run {plan.run_id}")
        create_markdown_artifact(report_markdown(home, result), key="run-report", description=f"Run {plan.run_id}")
        return result

    with logged(run_id=plan.run_id):
        return snapshot([f"{ask.underlying}@{ask.venue}" for ask in plan.asks])


def _fetch(home: Home, settings: Settings, plan: Plan) -> list[FetchedBook]:
    """Fetch every book at the same time; the client of each venue keeps its pace."""
    with ExitStack() as lines:
        futures = []
        for venue, books in plan.books().items():
            line = lines.enter_context(VenueLine(home, sources_of(plan, settings)[venue]))
            futures += [_fetch_task(line, book).submit() for book in books]
        return [_fetched(future.result(raise_on_failure=False)) for future in futures]


def _fetch_task(line: VenueLine, book: Book) -> Any:
    @task(name=f"fetch {book.venue}/{book.name}", retries=1, retry_delay_seconds=2, retry_condition_fn=_can_heal, cache_policy=NO_CACHE)
    def fetch() -> FetchedBook:
        fetched = line.fetch(book)
        if fetched.can_heal:
            raise StillFailing(fetched)
        return fetched

    return fetch


def _can_heal(_task: Any, _run: Any, state: Any) -> bool:
    return isinstance(state.result(raise_on_failure=False), StillFailing)


def _fetched(outcome: Any) -> FetchedBook:
    if isinstance(outcome, StillFailing):
        return outcome.fetched
    if isinstance(outcome, BaseException):
        raise outcome
    fetched: FetchedBook = outcome
    return fetched


def _make(asset: str, name: str, step: Callable[[], T], why_not: Callable[[T], str | None], **options: Any) -> T:
    """Run a step that makes an asset. Where `why_not` has a reason against its result, Prefect notes a failed task and no asset made."""

    def make() -> T:
        result = step()
        if (why := why_not(result)) is not None:
            raise NotMade(why, result)
        return result

    state = materialize(asset, name=name, cache_policy=NO_CACHE, **options)(make)(return_state=True)
    outcome: Any = state.result(raise_on_failure=False)
    if isinstance(outcome, BaseException) and not isinstance(outcome, NotMade):
        raise outcome
    made: T = outcome.result if isinstance(outcome, NotMade) else outcome
    return made


def _nothing_usable(load: UnderlyingLoad) -> str | None:
    outcomes = outcomes_of(load)
    return None if any(one.status == OK for one in outcomes) else "; ".join(f"{one.venue}: {one.error or one.status}" for one in outcomes)


def _not_published(published: tuple[int | None, str | None]) -> str | None:
    generation, held = published
    return held if generation is not None or held else "nothing usable was ever captured"


def _step(name: str, function: Callable[..., T], *arguments: Any) -> T:
    result: T = task(name=name, cache_policy=NO_CACHE)(_bound(function, *arguments))()
    return result


def _bound(function: Callable[..., T], *arguments: Any, **named: Any) -> Callable[[], T]:
    fields = log_fields()  # a task may run in a thread of its own

    def call() -> T:
        with logged(**fields):
            return function(*arguments, **named)

    return call


def _asset(underlying: str) -> str:
    return f"duckdb://strikehouse/snapshots/{underlying.lower()}"
