"""Charts of the small warehouse and of the demo, each drawn from a published file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import polars as pl
import pytest

from models.errors import BrowserMissing
from warehouse.charts.browser import find_browser
from warehouse.charts.chart import Chart
from warehouse.charts.registry import draw_chart
from warehouse.home.paths import Home
from warehouse.read.filters import ChartRequest
from warehouse.read.query import call_macro_on, open_published
from warehouse.settings import ChartSettings

CHARTS = ChartSettings(png_scale=1)


@pytest.fixture
def con(published_home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file, open."""
    with open_published(published_home) as con:
        yield con


@pytest.fixture
def draw(published_home: Home) -> Callable[..., Chart]:
    """`draw("pain", "IDX", expiry=…)`."""
    return lambda kind, underlying, **filters: draw_chart(published_home, kind, ChartRequest(underlying, **filters))


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
