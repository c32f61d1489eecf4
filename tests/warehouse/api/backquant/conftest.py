"""Homes that the tests of the HTTP API read."""

from __future__ import annotations

import pytest

from tests.warehouse.api.backquant.serving import Client, Remembering, application, published
from warehouse.client.warehouse import Warehouse
from warehouse.home.paths import Home


@pytest.fixture(scope="session")
def small_home(stocked_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The small warehouse, published, with the status that its runs would have written; to be read."""
    return published(stocked_home, tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="session")
def v2(small_home: Home, wh: Warehouse) -> Client:
    """The BackQuant dialect over it."""
    return Client(application(small_home, wh=wh))


@pytest.fixture(scope="session")
def wh(small_home: Home) -> Warehouse:
    """Its frames."""
    return Remembering(small_home)
