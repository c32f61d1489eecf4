"""What tests of the warehouse share."""

from __future__ import annotations

import duckdb
import pytest

from models.market.calendar import TradingCalendar
from tests.loads import Loader


@pytest.fixture
def load(work: duckdb.DuckDBPyConnection, calendar: TradingCalendar) -> Loader:
    """Loads chains into an empty work file."""
    return Loader(work, calendar)
