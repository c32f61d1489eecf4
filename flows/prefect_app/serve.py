"""`strikehouse schedule`: the watchlist's schedules as Prefect deployments, served by this process until it is stopped.

One run at a time, because all of them write to one file; one serving process per home. Nothing is paused when it stops, so the schedules
go on with the next start. What was missed until then is decided before Prefect is asked: it would start the missed runs one by one, the
oldest first. Import this module after `set_prefect_environment`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    DeploymentFilterTags,
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.sorting import DeploymentSort, FlowRunSort
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.schedules import Cron
from prefect.states import Completed, Crashed, Scheduled
from prefect.types import DateTime
from prefect.types.entrypoint import EntrypointType

from flows.prefect_app.decisions import note_missed
from flows.prefect_app.due import Deployment, deployments
from flows.prefect_app.scheduled import scheduled
from models.errors import UsageError
from models.market.calendar import TradingCalendar
from warehouse.home.paths import Home
from warehouse.settings import Settings

MISSED = "It was due while no schedule was served; published/schedule.json says what became of it."
KILLED = "The process that served the schedules ended before this run did; what it archived is loaded by the next run."
PAGE = 200  # what Prefect gives at once
UNFINISHED = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]


class _Runner(Runner):
    """Prefect's runner, stopped in order by SIGTERM: its own handler does not await what it starts, and leaves runs behind."""

    def handle_sigterm(self, *_signal: Any) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(lambda: setattr(self, "stopped_by", loop.create_task(self.astop())))


def serve_schedules(home: Home, settings: Settings) -> None:
    """Serve until the process is told to stop; for a process that holds the home's schedule lock."""
    served = deployments(settings.watchlist)
    late = note_missed(home, settings, TradingCalendar.new_york(), datetime.now(UTC))
    asyncio.run(_serve(home, {one: to_prefect(home, one) for one in served}, late))


def to_prefect(home: Home, one: Deployment) -> RunnerDeployment:
    """One deployment as Prefect has it."""
    deployment = scheduled.to_deployment(
        one.name,
        schedules=[Cron(line, timezone=one.timezone) for line in one.schedule],
        parameters={"underlyings": list(one.underlyings)},
        tags=_tags(home),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    assert isinstance(deployment, RunnerDeployment)
    return deployment


async def _serve(home: Home, served: Mapping[Deployment, RunnerDeployment], late: Mapping[str, datetime]) -> None:
    runner = _Runner(name="strikehouse", limit=1, pause_on_shutdown=False)
    async with get_client() as client:
        await _refuse_other_homes(client, home, [one.name for one in served])
        ids = {one: await runner.aadd_deployment(deployment) for one, deployment in served.items()}
        await _remove_others(client, home, [one.name for one in served])
        await _end_what_nobody_runs(client, home)
        for one in served:
            if dues := [late[underlying] for underlying in one.underlyings if underlying in late]:
                await client.create_flow_run_from_deployment(ids[one], state=Scheduled(scheduled_time=max(dues)))
        print(f"Serving {len(served)} schedules of {home.root}; Prefect is at {client.api_url}.", flush=True)
    await runner.start()


def _tags(home: Home) -> list[str]:
    return ["strikehouse", f"home-{hashlib.sha256(str(home.root).encode()).hexdigest()[:8]}"]


async def _remove_others(client: PrefectClient, home: Home, names: Sequence[str]) -> None:
    """Remove the deployments of what the watchlist no longer holds: nobody serves them, and their runs would pile up."""
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=_tags(home)))
    for deployment in await client.read_deployments(deployment_filter=ours, limit=PAGE, sort=DeploymentSort.NAME_ASC):
        if deployment.name not in names:
            await client.delete_deployment(deployment.id)


async def _refuse_other_homes(client: PrefectClient, home: Home, names: Sequence[str]) -> None:
    """Deployments of one name are one deployment: a server that has them for another home would mix the two."""
    same = DeploymentFilter(name=DeploymentFilterName(any_=list(names)))
    for deployment in await client.read_deployments(deployment_filter=same, limit=PAGE, sort=DeploymentSort.NAME_ASC):
        if deployment.tags and deployment.tags != _tags(home):
            advice = "Use another Prefect server (PREFECT_API_URL), or remove that deployment there."
            raise UsageError(f"The Prefect server at {client.api_url} has {deployment.name} for another home. {advice}")


async def _end_what_nobody_runs(client: PrefectClient, home: Home) -> None:
    """End the runs that Prefect had planned for instants that are past, and those whose process is gone."""
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=_tags(home)))
    missed = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        next_scheduled_start_time=FlowRunFilterNextScheduledStartTime(before_=DateTime.now(UTC)),
    )
    killed = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=UNFINISHED)))
    ends: list[tuple[FlowRunFilter, State[Any]]] = [(missed, Completed(name="Skipped", message=MISSED)), (killed, Crashed(message=KILLED))]
    for left, state in ends:
        while runs := await client.read_flow_runs(
            deployment_filter=ours, flow_run_filter=left, limit=PAGE, sort=FlowRunSort.EXPECTED_START_TIME_ASC
        ):
            for run in runs:
                await client.set_flow_run_state(run.id, state, force=True)
