"""The snapshot flow: the steps of flows/run/steps.py, each call of them as a Prefect task, with retries, lineage and a run report.

Tasks are coarse, because each costs about 50 ms: one fetch per venue and book, one parse per underlying and venue, one load (models, marts,
checks) per underlying, one publication. Only what can heal is retried; the HTTP client has retried single requests before that.
Arguments are bound before Prefect sees a task: it would walk through settings and whole chains to look for futures in them.
Import this module after `set_prefect_environment`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.assets import materialize
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.prefect_app.limit import prefect_slot
from flows.run.plan import Plan
from flows.run.result import RunResult
from flows.run.steps import run_snapshot
from flows.run.walk import Call, RunContext, RunState, Step, call_directly
from warehouse.home.logs import log_fields, logged
from warehouse.home.paths import Home
from warehouse.settings import Settings

MOST_AT_ONCE = 8
RETRY_AFTER_S = 2


class StillFailing(Exception):
    """A call that failed but may succeed a little later; `result` is what it gave."""

    def __init__(self, result: Any) -> None:
        super().__init__(getattr(result, "error", None))
        self.result = result


class NotMade(Exception):
    """A call that ended in order and yet did not make its asset; `result` is what it gave all the same."""

    def __init__(self, why: str, result: Any) -> None:
        super().__init__(why)
        self.result = result


def run_with_prefect(home: Home, settings: Settings, plan: Plan) -> RunResult:
    """Fetch, load and publish one plan as a flow run."""
    home.prepare()  # Prefect puts its files there
    runner: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE)

    @flow(name="snapshot", flow_run_name=f"snapshot {plan.run_id}", task_runner=runner)
    def snapshot(asks: list[str]) -> RunResult:  # noqa: ARG001 - Prefect shows what was asked
        return run_snapshot(home, settings, plan, call_as_tasks)

    return snapshot([f"{ask.underlying}@{ask.venue}" for ask in plan.asks])


def call_as_tasks(step: Step, calls: Sequence[Call], context: RunContext, state: RunState) -> list[Any]:
    """Call a step's functions as Prefect tasks, and leave its artifacts."""
    results = _results(step, calls, context, state)
    if step.guards_writing:
        state.resources.enter_context(prefect_slot(context.home))
    if step.artifacts is not None:
        step.note(state, results)  # they show what the step itself made
        for one in step.artifacts(context, state):
            create: Any = create_markdown_artifact if isinstance(one.content, str) else create_table_artifact
            create(one.content, key=one.key, description=one.description)
    return results


def _results(step: Step, calls: Sequence[Call], context: RunContext, state: RunState) -> list[Any]:
    if not step.is_task:
        return call_directly(step, calls, context, state)
    tasks = [_task(step, call, state) for call in calls]
    if step.is_concurrent:
        return [_outcome(future.result(raise_on_failure=False)) for future in [one.submit() for one in tasks]]
    return [_outcome(one(return_state=True).result(raise_on_failure=False)) for one in tasks]


def _task(step: Step, call: Call, state: RunState) -> Any:
    """One call as a task, which raises where its result is none that Prefect should call a success."""
    fields = log_fields()  # a task may run in a thread of its own

    def function() -> Any:
        with logged(**fields):
            result = call.function()
        if step.can_heal is not None and step.can_heal(result):
            raise StillFailing(result)
        if step.asset is not None and (why := step.asset.not_made(result, state)) is not None:
            raise NotMade(why, result)
        return result

    options: dict[str, Any] = {"name": call.title, "cache_policy": NO_CACHE}
    if step.can_heal is not None:
        options |= {"retries": 1, "retry_delay_seconds": RETRY_AFTER_S, "retry_condition_fn": _is_healing}
    wrap: Callable[..., Any] = task
    if step.asset is not None:
        wrap = partial(materialize, step.asset.key(call), asset_deps=[*step.asset.inputs(state)])
    return wrap(**options)(function)


def _is_healing(_task: Any, _run: Any, state: Any) -> bool:
    return isinstance(state.result(raise_on_failure=False), StillFailing)


def _outcome(outcome: Any) -> Any:
    """What a call gave, also where Prefect shows its task as failed; raises what the call itself raised."""
    if isinstance(outcome, StillFailing | NotMade):
        return outcome.result
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
