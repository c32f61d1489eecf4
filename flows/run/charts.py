"""Charts of a run: a page per underlying, drawn when settings or `--charts` ask for it, and how to draw them where nothing did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flows.run.result import RunChart, RunResult
from models.errors import StrikehouseError
from warehouse.home.files import disk_errors
from warehouse.home.paths import Home
from warehouse.settings import Settings


def draw_pages(home: Home, settings: Settings, result: RunResult) -> tuple[RunChart, ...]:
    """Draw a page per snapshot of a run, where `charts.after_run` asks for them; a page that fails does not fail the run."""
    if not settings.charts.after_run or result.generation is None:
        return ()
    return tuple(_page(home, settings, *one) for one in _snapshots(result))


def chart_commands(result: RunResult) -> list[str]:
    """The command that draws each snapshot of the run, also later, when newer ones are published."""
    if result.generation is None:
        return []
    return [f"strikehouse chart all {underlying} --as-of {captured_at:%Y-%m-%dT%H:%M:%S}" for underlying, captured_at in _snapshots(result)]


def _snapshots(result: RunResult) -> Sequence[tuple[str, datetime]]:
    loaded = [load for load in result.loads if load.load is not None]
    parts = [(load.underlying, load.load.snapshot_id.rpartition("-")[2]) for load in loaded if load.load is not None]
    return [(underlying, datetime.strptime(captured, "%Y%m%dT%H%M%SZ")) for underlying, captured in parts]  # noqa: DTZ007 - all UTC


def _page(home: Home, settings: Settings, underlying: str, captured_at: datetime) -> RunChart:
    from warehouse.charts.registry import draw_all, write_charts
    from warehouse.read.filters import ChartRequest

    file = home.charts / f"{underlying}.html"
    try:
        with disk_errors(home.charts):
            home.charts.mkdir(exist_ok=True)
        charts, _ = draw_all(home, ChartRequest(underlying, as_of=captured_at.isoformat(" ")))
        write_charts(charts, file, settings.charts)
    except StrikehouseError as error:
        return RunChart(underlying, None, str(error))
    return RunChart(underlying, file)
