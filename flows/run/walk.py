"""Walks a list of steps: each step makes calls, and their results are noted in the state that the next step reads.

A step knows nothing of who calls it. `walk` calls it here; `flows/prefect_app/` walks the same list with each call wrapped as a task.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import duckdb

from flows.run.alerts import NO_NEWS, AlertNews
from flows.run.fetch import FetchedBook
from flows.run.parse import UnderlyingLoad
from flows.run.plan import Plan
from flows.run.result import RunChart, RunResult
from models.market.calendar import TradingCalendar
from models.snapshot import VenueReading
from warehouse.home.logs import log_fields, logged
from warehouse.home.paths import Home
from warehouse.publish.status import VenueOutcome
from warehouse.settings import Settings

LOG = logging.getLogger("strikehouse.run")


NO_PLAN = Plan("", datetime.min.replace(tzinfo=UTC), ())


@dataclass(frozen=True)
class RunContext:
    """What a run is given."""

    home: Home
    settings: Settings
    run_id: str | None  # the run's name in the archive and in every table; None where no single run is published
    plan: Plan = NO_PLAN


@dataclass
class RunState:
    """What came before: each step adds its own."""

    resources: ExitStack = field(default_factory=ExitStack)  # lines to venues, then the work file; whoever walks closes them
    fetched: list[FetchedBook] = field(default_factory=list)
    manifest: Mapping[str, Any] = field(default_factory=dict)
    connection: duckdb.DuckDBPyConnection | None = None
    calendar: TradingCalendar | None = None
    damaged: list[str] = field(default_factory=list)  # earlier runs whose archive cannot be read
    underlying: str = ""  # that the steps of one underlying are taken for
    readings: list[VenueReading] = field(default_factory=list)  # of that underlying
    loads: list[UnderlyingLoad] = field(default_factory=list)
    outcomes: list[VenueOutcome] = field(default_factory=list)
    hold_reason: str | None = None  # why a structural check holds the publication back
    generation: int | None = None
    news: AlertNews = NO_NEWS
    charts: tuple[RunChart, ...] = ()

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        """The open work file."""
        assert self.connection is not None, "the step `open` comes first"
        return self.connection

    @property
    def sessions(self) -> TradingCalendar:
        """The trading calendar of the work file."""
        assert self.calendar is not None, "the step `open` comes first"
        return self.calendar

    def result(self, plan: Plan) -> RunResult:
        """What the run did."""
        return RunResult(
            plan,
            self.fetched,
            self.loads,
            self.generation,
            self.hold_reason,
            tuple(self.damaged),
            charts=self.charts,
            alerts=self.news,
        )


class Call(NamedTuple):
    """One call of a step."""

    title: str  # what it is for, such as `fetch cboe/SPX`
    function: Callable[[], Any]
    lane: str = ""  # calls of one lane follow each other; lanes may run at the same time


class Artifact(NamedTuple):
    """Something that a step leaves for people to read."""

    key: str
    description: str
    content: str | list[dict[str, Any]]  # markdown, or the rows of a table


@dataclass(frozen=True)
class Asset:
    """What the calls of a step make."""

    key: Callable[[Call], str]
    not_made: Callable[[Any, RunState], str | None]  # why a call that ended in order made nothing
    inputs: Callable[[RunState], list[str]] = lambda _state: []


@dataclass(frozen=True)
class Step:
    """One named step of a run, and what a scheduler needs to know to make tasks of its calls."""

    name: str
    calls: Callable[[RunContext, RunState], Iterable[Call]]
    note: Callable[[RunState, list[Any]], None]  # puts the results, in the order of the calls, into the state
    is_task: bool = False  # a task costs about 50 ms: small steps are none
    is_concurrent: bool = False  # lanes of calls may run at the same time
    can_heal: Callable[[Any], bool] | None = None  # whether a later try may give a better result than this one
    asset: Asset | None = None
    artifacts: Callable[[RunContext, RunState], list[Artifact]] | None = None
    guards_writing: bool = False  # from here on this process is the home's only writer
    is_per_underlying: bool = False  # taken for each underlying in turn, with its neighbours that are too


def once(name: str, function: Callable[[RunContext, RunState], Any], into: str | None = None, *, title: str = "", **traits: Any) -> Step:
    """A step of one call: a plain function of the context and what came before, whose result becomes a field of the state."""

    def note(state: RunState, results: list[Any]) -> None:
        if into is not None:
            (value,) = results
            setattr(state, into, value)

    return Step(name, lambda run, state: [Call(title or name, partial(function, run, state))], note, **traits)


Perform = Callable[[Step, Sequence[Call], RunContext, RunState], list[Any]]


def call_directly(step: Step, calls: Sequence[Call], _context: RunContext, _state: RunState) -> list[Any]:
    """Call a step's functions in this process; lanes of a concurrent step in threads."""
    if not step.is_concurrent:
        return [call.function() for call in calls]
    fields = log_fields()  # threads do not inherit them

    def in_lane(lane: list[Call]) -> list[Any]:
        with logged(**fields):
            return [call.function() for call in lane]

    lanes = [list(lane) for _, lane in groupby(calls, key=lambda call: call.lane)]
    with ThreadPoolExecutor(max_workers=max(len(lanes), 1)) as pool:
        return [result for results in pool.map(in_lane, lanes) for result in results]


def walk(steps: Sequence[Step], context: RunContext, state: RunState, perform: Perform = call_directly) -> None:
    """Take every step in order, those of an underlying for each in turn; what a step raises ends the run."""
    for is_per_underlying, group in groupby(steps, key=lambda step: step.is_per_underlying):
        together = list(group)
        for state.underlying in context.plan.underlyings if is_per_underlying else [""]:
            for step in together:
                LOG.debug("step %s %s", step.name, state.underlying)
                step.note(state, perform(step, list(step.calls(context, state)), context, state))
