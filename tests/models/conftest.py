"""Tables that the tests of the maths share."""

from __future__ import annotations

import pytest

from models.market.calendar import TradingCalendar


@pytest.fixture(scope="session")
def calendar() -> TradingCalendar:
    return TradingCalendar.new_york()
