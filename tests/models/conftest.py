"""Profiles and tables that the tests of the maths share."""

from __future__ import annotations

import pytest
from hypothesis import settings

from models.calendar import TradingCalendar

# Derandomised: a failure on one machine is a failure on all; deadline off, because the first call pays for imports.
settings.register_profile("models", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("models")


@pytest.fixture(scope="session")
def calendar() -> TradingCalendar:
    return TradingCalendar.from_exchange_calendars()
