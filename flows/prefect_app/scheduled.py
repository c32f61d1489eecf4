"""The flow that schedules start: it decides what is due, runs that, and says in its state what came of it.

Prefect imports this module in a process of its own per run, for `strikehouse schedule` and for workers alike (prefect.yaml names it).
The state is Completed, under the name of `Skipped`, `Late` or `Partly` where that is so, or Failed; its message has the reasons.
Import this module after `set_prefect_environment`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.prefect_app.decisions import decide_due
from flows.prefect_app.due import due_instants
from flows.prefect_app.flow import run_with_prefect
from flows.run.exit_codes import DONE, NOTHING_USABLE
from flows.run.plan import make_plan
from flows.run.result import RunResult
from models.errors import AlreadyRunning, UsageError
from models.market.calendar import TradingCalendar
from models.market.schedule import LATE, Decision
from warehouse.home.locks import underlying_lock
from warehouse.home.logs import start_log_file, start_logs
from warehouse.home.paths import Home, home_of
from warehouse.settings import Settings, load_settings


@flow(name="scheduled", flow_run_name="{underlyings}")
def scheduled(underlyings: list[str]) -> State[None]:
    """Snapshot these underlyings if they are due; a run that was started by hand is due always."""
    settings = load_settings()
    home = home_of(settings)
    start_logs(settings)
    start_log_file(home, settings)
    meant_for = flow_run.scheduled_start_time or datetime.now(UTC)
    return run_scheduled(home, settings, underlyings, datetime.fromtimestamp(meant_for.timestamp(), UTC))


def run_scheduled(home: Home, settings: Settings, underlyings: Sequence[str], meant_for: datetime) -> State[None]:
    """Decide, run and report; raises `UsageError` for an underlying that is not watched."""
    if strangers := [name for name in underlyings if name not in settings.watchlist]:
        raise UsageError(f"{', '.join(strangers)}: not in the watchlist. Restart `strikehouse schedule`, or deploy prefect.yaml again.")
    home.prepare()
    with ExitStack() as locks:
        busy = _lock_all(home, underlyings, locks)
        plan = make_plan(underlyings, [], settings, datetime.now(UTC))
        if any(_is_due(settings, underlying, meant_for) for underlying in underlyings):
            now, calendar = plan.started_at, TradingCalendar.new_york()
            decided = decide_due(home, settings, calendar, underlyings, now=now, run_id=plan.run_id, busy=busy, due=meant_for)
            chosen = {underlying for underlying, decisions in decided.items() if any(one.is_to_run for one in decisions)}
            said = _said(decided)
        else:  # started by hand
            decided, chosen = {}, set(underlyings) - set(busy)
            said = [f"{underlying}: skipped, {why}" for underlying, why in busy.items()]
        _print(plan.started_at, said)
        if not chosen:
            return Completed(name="Skipped", message="; ".join(said) or "all that was due is decided already")
        result = run_with_prefect(home, settings, replace(plan, asks=tuple(ask for ask in plan.asks if ask.underlying in chosen)))
    said += [f"{one.underlying} on {one.venue}: {one.status}{f', {one.error}' if one.error else ''}" for one in result.outcomes]
    _print(datetime.now(UTC), said[-len(result.outcomes) :])
    return _state(result, said, is_late=any(one.outcome == LATE for decisions in decided.values() for one in decisions))


def _lock_all(home: Home, underlyings: Sequence[str], locks: ExitStack) -> dict[str, str]:
    """Hold the locks of the underlyings that are free; of the others, who has them."""
    busy = {}
    for underlying in underlyings:
        try:
            locks.enter_context(underlying_lock(home, underlying, f"scheduled run of {' '.join(underlyings)}"))
        except AlreadyRunning as error:
            busy[underlying] = str(error)
    return busy


def _is_due(settings: Settings, underlying: str, instant: datetime) -> bool:
    """Whether an instant is one of the schedule's; any other was chosen by hand."""
    return instant in due_instants(settings.watchlist[underlying], instant - timedelta(minutes=1), instant)


def _said(decided: Mapping[str, Sequence[Decision]]) -> list[str]:
    """A line per underlying for the last that was decided, and how many before it were skipped."""
    lines = []
    for underlying, decisions in decided.items():
        for last in decisions[-1:]:
            reason = f", {last.reason}" if last.reason else ""
            before = f" ({len(decisions) - 1} before it skipped)" if len(decisions) > 1 else ""
            lines.append(f"{underlying}: due {last.due_at:%Y-%m-%d %H:%M} UTC, {last.outcome}{reason}{before}")
    return lines


def _print(at: datetime, lines: Sequence[str]) -> None:
    """For the journal of whoever serves."""
    for line in lines:
        print(f"{at:%Y-%m-%d %H:%M:%S} {line}", flush=True)


def _state(result: RunResult, said: Sequence[str], *, is_late: bool) -> State[None]:
    message = "; ".join([*said, *result.not_loaded, *([result.hold_reason] if result.hold_reason else [])])
    if result.exit_code == NOTHING_USABLE:
        return Failed(message=message)
    return Completed(name="Partly" if result.exit_code != DONE else "Late" if is_late else "Completed", message=message)
