"""Servers that tests share: over the demo, and over the small warehouse with its four venues."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Demo
from tests.warehouse.api.serving import serving
from warehouse.home.paths import Home


@pytest.fixture(scope="module")
def demo_url(demo: Demo) -> Iterator[str]:
    """Base URL of a server over two sessions of the demo: SPX, SPY, BTC, ETH."""
    with serving(demo.home) as url:
        yield url


@pytest.fixture(scope="module")
def small_home(home_at_101: Home) -> Home:
    """The small warehouse, published: COIN on several venues, IDX with an AM and a PM settlement on one date."""
    return home_at_101


@pytest.fixture(scope="module")
def small_url(small_home: Home) -> Iterator[str]:
    """Base URL of a server over the small warehouse."""
    with serving(small_home) as url:
        yield url
