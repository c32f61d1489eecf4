"""What tests of the warehouse share."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from models.market.calendar import TradingCalendar
from tests.conftest import Once
from tests.loads import Loader
from tests.warehouse.read.test_readers import republish
from warehouse.home.paths import Home


@pytest.fixture(scope="session")
def home_at_101(once: Once, stocked_home: Home) -> Home:
    """The small warehouse with IDX at 101, published as generation 1; to be read."""

    def fill(folder: Path) -> None:
        republish(Home(Path(shutil.copytree(stocked_home.root, folder / "home"))), 101)

    return Home(once("at-101", fill) / "home")


@pytest.fixture
def load(work: duckdb.DuckDBPyConnection, calendar: TradingCalendar) -> Loader:
    """Loads chains into an empty work file."""
    return Loader(work, calendar)
