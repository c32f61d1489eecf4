"""Registry of all kinds of charts: reading, drawing and writing to a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from models.errors import UsageError
from warehouse.charts.browser import find_browser, screenshot
from warehouse.charts.chart import Chart
from warehouse.charts.kinds import drift, gamma, heatmap, open_interest, opex, pain, profile, term
from warehouse.charts.page import page
from warehouse.charts.theme import HEIGHT
from warehouse.home.files import write_whole
from warehouse.home.paths import Home
from warehouse.read.filters import ChartRequest
from warehouse.read.query import open_published
from warehouse.read.snapshot_facts import Facts, read_facts
from warehouse.settings import ChartSettings

WIDTH = 1280  # of a PNG, in points


class Kind(NamedTuple):
    """The functions and metadata of a kind of chart."""

    read: Callable[[duckdb.DuckDBPyConnection, Facts, ChartRequest], Any]
    draw: Callable[[Facts, ChartRequest, Any], Chart]


KINDS: dict[str, Kind] = {
    "pain": Kind(pain.read, pain.draw),
    "oi": Kind(open_interest.read, open_interest.draw),
    "gex": Kind(gamma.read, gamma.draw),
    "heatmap": Kind(heatmap.read, heatmap.draw),
    "profile": Kind(profile.read, profile.draw),
    "term": Kind(term.read, term.draw),
    "opex": Kind(opex.read, opex.draw),
    "drift": Kind(drift.read, drift.draw),
}
SUFFIXES = (".html", ".png")


def draw_chart(home: Home, kind: str, request: ChartRequest) -> Chart:
    """One chart from the published file; raises `UsageError` for an unknown kind, underlying, expiry, or filters that match no rows."""
    if kind not in KINDS:
        raise UsageError(f"No chart is called {kind!r}. Known: {', '.join(KINDS)}.")
    with open_published(home) as con:
        facts = read_facts(con, request)
        return KINDS[kind].draw(facts, request, KINDS[kind].read(con, facts, request))


def draw_all(home: Home, request: ChartRequest) -> tuple[list[Chart], list[str]]:
    """Every kind that the request allows, and the reasons for skipping the others; raises `UsageError` when all are skipped."""
    with open_published(home) as con:
        facts = read_facts(con, request)
        charts, reasons = [], []
        for name, kind in KINDS.items():
            try:
                charts.append(kind.draw(facts, request, kind.read(con, facts, request)))
            except UsageError as error:
                reasons.append(f"{name}: {error}")
    if not charts:
        raise UsageError(" ".join(reasons))
    return charts, reasons


def write_charts(charts: Sequence[Chart], path: Path, settings: ChartSettings) -> None:
    """Write a page, or its picture, by the suffix of `path`; raises `UsageError` for another suffix, and the errors of `screenshot`."""
    check_target(path, settings)
    is_picture = path.suffix.lower() == ".png"
    html = page(charts, " | ".join(chart.title for chart in charts), is_picture=is_picture)
    if not is_picture:
        write_whole(path, html.encode())
        return
    write_whole(path, screenshot(html, settings, width=WIDTH, height=HEIGHT * len(charts)))


def check_target(path: Path, settings: ChartSettings) -> None:
    """Raise `UsageError` when `path` ends in neither .html nor .png, and `BrowserMissing` for a .png without a browser."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: a chart is written as .html or .png; end the name in one of them.")
    if path.suffix.lower() == ".png":
        find_browser(settings)
