"""Homes that the tests of the HTTP API read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.chains import SETTINGS
from tests.warehouse.api.backquant.serving import NOW, Client, Remembering, application
from warehouse.frames import Warehouse
from warehouse.home import Home
from warehouse.publish import publish
from warehouse.status import VenueOutcome, write_status
from warehouse.work import open_work


@pytest.fixture(scope="session")
def small_home(stocked_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The small warehouse, published, with the status that its runs would have written; to be read."""
    home = Home(Path(shutil.copytree(stocked_home.root, tmp_path_factory.mktemp("api") / "home")))
    home.raw.mkdir(exist_ok=True)
    asked = [("COIN", venue, "crypto") for venue in ("deribit", "bybit", "okx")] + [("IDX", "cboe", "us")]
    outcomes = [VenueOutcome(name, venue, market, "ok", None, 1, 1.0, 0, (), {}) for name, venue, market in asked]
    with open_work(home, SETTINGS, "publish") as con:
        publish(con, home, SETTINGS, run_id=None, now=NOW, code_version="0")
        write_status(con, home, run_id="run-3", now=NOW, generation=1, held=None, outcomes=outcomes)
    return home


@pytest.fixture(scope="session")
def v2(small_home: Home, wh: Warehouse) -> Client:
    """The BackQuant dialect over it."""
    return Client(application(small_home, wh=wh))


@pytest.fixture(scope="session")
def wh(small_home: Home) -> Warehouse:
    """Its frames."""
    return Remembering(small_home)
