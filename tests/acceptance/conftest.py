"""Warehouses of recordings, one for each file of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from models.market.calendar import TradingCalendar
from tests.acceptance.recorded import Shelf
from tests.chains import SETTINGS
from warehouse.home.paths import Home
from warehouse.storage.work_file import open_work


@pytest.fixture(scope="module")
def shelf_of(recordings: Path, calendar: TradingCalendar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Shelf]]:
    """`shelf_of("SPY")["2026-07-22"]` is what was loaded of a recording."""
    shelves: dict[str, Shelf] = {}
    with ExitStack() as stack:

        def shelf(symbol: str) -> Shelf:
            if symbol not in shelves:
                home = Home(tmp_path_factory.mktemp(symbol) / "home")
                con = stack.enter_context(open_work(home, SETTINGS, "test"))
                shelves[symbol] = Shelf(con, home, recordings, calendar, symbol)
            return shelves[symbol]

        yield shelf
