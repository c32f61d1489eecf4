"""Charts of the small warehouse and of the demo, each drawn from a published file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from models.errors import BrowserMissing
from tests.chains import SETTINGS
from warehouse.charts.browser import find_browser
from warehouse.charts.chart import Chart
from warehouse.charts.registry import draw_chart
from warehouse.home.paths import Home
from warehouse.publish.generations import publish
from warehouse.read.filters import ChartRequest
from warehouse.read.query import call_macro_on, open_published
from warehouse.settings import ChartSettings
from warehouse.storage.work_file import open_work

CHARTS = ChartSettings(png_scale=1)


@pytest.fixture(scope="module")
def published(stocked_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The small warehouse, published; to be read."""
    home = Home(Path(shutil.copytree(stocked_home.root, tmp_path_factory.mktemp("published") / "home")))
    with open_work(home, SETTINGS, "publish") as con:
        publish(con, home, SETTINGS, run_id=None, now=datetime(2026, 3, 3, tzinfo=UTC), code_version="0")
    return home


@pytest.fixture
def con(published: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file, open."""
    with open_published(published) as con:
        yield con


@pytest.fixture
def draw(published: Home) -> Callable[..., Chart]:
    """`draw("pain", "IDX", expiry=…)`."""
    return lambda kind, underlying, **filters: draw_chart(published, kind, ChartRequest(underlying, **filters))


@pytest.fixture
def ask(con: duckdb.DuckDBPyConnection) -> Callable[..., pl.DataFrame]:
    """`ask("pain_curve", "IDX", expiry=…)` is what the macro says."""
    return lambda macro, underlying, **filters: call_macro_on(con, macro, {"underlying": underlying, **filters})


@pytest.fixture(scope="session")
def browser() -> str:
    """The machine's Chromium or Chrome; tests that need it are skipped without it."""
    try:
        return find_browser(CHARTS)
    except BrowserMissing as error:
        pytest.skip(f"no browser: {error}")


def trace(chart: Chart, name: str) -> Any:
    """The one trace of that name."""
    (match,) = [one for one in chart.figure.data if one.name == name]
    return match


def texts(chart: Chart) -> str:
    """All that is written around the plot."""
    layout = chart.figure.layout
    return "\n".join([layout.title.text, layout.title.subtitle.text, *(one.text for one in layout.annotations)])
