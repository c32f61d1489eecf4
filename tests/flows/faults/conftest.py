"""The double of one session for all tests of a worker, what a good day gives, and bad days."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.demo.venues import Double, serve
from tests.flows.faults.bad_day import BadDay, bad_day
from tests.flows.faults.expected import VENUES, Fault, Group
from warehouse.home.paths import Home

NextDay = Callable[[Fault, Group], BadDay]


@pytest.fixture(scope="session")
def fault_double() -> Iterator[Double]:
    """All venues at session 1."""
    with serve(session=1) as double:
        yield double


@pytest.fixture(scope="session")
def double_of_the_next_day() -> Iterator[Double]:
    """All venues at session 2."""
    with serve(session=2) as double:
        yield double


@pytest.fixture(scope="session", autouse=True)
def _no_proxy() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


@pytest.fixture(scope="session")
def good(fault_double: Double, empty_home: Home, tmp_path_factory: pytest.TempPathFactory) -> BadDay:
    """A run over all five venues without any fault."""
    home = Home(Path(shutil.copytree(empty_home.root, tmp_path_factory.mktemp("good") / "home")))
    return bad_day(fault_double, home, Group((), VENUES), {}, {})


@pytest.fixture
def run_on(fault_double: Double, home: Home, good: BadDay) -> NextDay:
    """Runs a group of venues with a fault into an empty home; takes `good` first, so that replies are made before anybody waits."""

    def run(fault: Fault, group: Group) -> BadDay:
        return bad_day(fault_double, home, group, {venue: fault.of(venue)[0] for venue in group.bad}, fault.settings)

    return run
