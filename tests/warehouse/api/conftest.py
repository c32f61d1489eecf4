"""Servers that tests share: over the demo, and over the small warehouse with its four venues."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Demo
from tests.warehouse.api.serving import serving
from tests.warehouse.test_readers import republish
from warehouse.home.paths import Home


@pytest.fixture(scope="module")
def demo_url(demo: Demo) -> Iterator[str]:
    """Base URL of a server over two sessions of the demo: SPX, SPY, BTC, ETH."""
    with serving(demo.home) as url:
        yield url


@pytest.fixture(scope="module")
def small_home(stocked_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The small warehouse, published: COIN on several venues, IDX with an AM and a PM settlement on one date."""
    home = Home(Path(shutil.copytree(stocked_home.root, tmp_path_factory.mktemp("api") / "home")))
    republish(home, 101)
    return home


@pytest.fixture(scope="module")
def small_url(small_home: Home) -> Iterator[str]:
    """Base URL of a server over the small warehouse."""
    with serving(small_home) as url:
        yield url
