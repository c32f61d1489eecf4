"""What a run tells people: a line per venue, the resulting max pain and levels, the run report, and pages of charts where asked for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl

from flows.run.result import RunChart, RunResult
from models.errors import PublicationMissing, StrikehouseError
from warehouse.catalog.markdown import markdown_table
from warehouse.home.files import disk_errors
from warehouse.home.paths import Home
from warehouse.read.query import report
from warehouse.settings import Settings

# What the printed line counts; the others say the same of single books and of the pool, and stand in the run report.
PRINTED_RELATIONS = (
    "core.option_greeks", "marts.expiry_summary", "marts.max_pain", "marts.gex_levels", "marts.pin_score", "marts.oi_change",
)  # fmt: skip


def report_rows(result: RunResult) -> list[dict[str, Any]]:
    """One row per underlying and venue: status, contracts, open interest, seconds of its books, refused rows, error."""
    seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
    for ask in result.plan.asks:
        seconds[ask.underlying, ask.venue] += sum(one.seconds for one in result.fetched if one.venue == ask.venue and one.book in ask.books)
    return [
        {
            "underlying": one.underlying,
            "venue": one.venue,
            "status": one.status,
            "contracts": one.contracts,
            "open_interest": one.open_interest,
            "seconds": round(seconds[one.underlying, one.venue], 2),
            "rejected_rows": one.rejected_rows,
            "error": one.error,
        }
        for one in result.outcomes
    ]


def venue_lines(result: RunResult) -> list[str]:
    """The same as text, a line each."""
    lines = []
    for row in report_rows(result):
        head = f"{row['underlying']:<6} {row['venue']:<8} {row['status']:<9}"
        if row["contracts"] is None:
            lines.append(f"{head} {row['error']}")
            continue
        interest = "unknown" if row["open_interest"] is None else f"{row['open_interest']:,.0f}"
        refused = f", {row['rejected_rows']} rows or values refused" if row["rejected_rows"] else ""
        error = f"  {row['error']}" if row["error"] else ""
        lines.append(f"{head} {row['contracts']:>6,} contracts, open interest {interest}, {row['seconds']:.1f} s{refused}{error}")
    return lines


def snapshot_ids(result: RunResult) -> list[str]:
    """Snapshots that the run made or found again."""
    return [load.load.snapshot_id for load in result.loads if load.load is not None]


def report_markdown(home: Home, result: RunResult) -> str:
    """The run report: venues, warnings, checks, the model's gamma against the venue's, why numbers are missing, levels."""
    parts = [f"# Run {result.plan.run_id}", _table(report_rows(result))]
    parts += [f"**{line}**" for line in result.not_loaded]
    if result.hold_reason:
        parts.append(f"**Not published.** {result.hold_reason}")
    notes = [f"* {one.underlying} on {one.venue}: {note}" for one in result.outcomes for note in _notes(one)]
    if notes:
        parts += ["## Warnings", "\n".join(notes)]
    if lines := alert_lines(result):
        parts += ["## Alerts", "\n".join(f"* {line}" for line in lines)]
    checks = [row for load in result.loads if load.load for row in load.load.check_results.iter_rows(named=True)]
    parts += ["## Checks", _table(checks) if checks else "All clean."]
    try:
        ids = snapshot_ids(result)
        if ids and result.generation is not None:
            parts += ["## Gamma against the venue's, near the money", _table(report(home, "gamma_differences", ids).to_dicts()) or "None."]
            parts += ["## What is not measured, and why", _table(report(home, "null_reasons", ids).to_dicts()) or "Everything is."]
            parts += ["## Levels", _table(report(home, "levels", ids).to_dicts())]
            parts += ["## Charts", *_charts(result)]
    except PublicationMissing:
        parts.append("Nothing is published.")
    return "\n\n".join(parts)


def gamma_lines(differences: pl.DataFrame) -> list[str]:
    """The rows of the report `gamma_differences` as text: a line per underlying with the median difference at each venue."""
    by_underlying: dict[str, list[str]] = {}
    for row in differences.iter_rows(named=True):
        against = "" if row["compared_with"] == "gamma" else " against its mark IV"
        text = f"{row['venue']} {row['median_difference_pct']:.2f} % of {row['contracts']:,} contracts{against}"
        by_underlying.setdefault(row["underlying"], []).append(text)
    return [f"{underlying:<6} {', '.join(texts)}" for underlying, texts in by_underlying.items()]


def missing_lines(reasons: pl.DataFrame) -> list[str]:
    """The rows of the report `null_reasons` as text: a line per underlying, each quantity with counts and reasons."""
    counts: dict[str, dict[str, Counter[str]]] = {}
    for row in reasons.filter(pl.col("relation").is_in(PRINTED_RELATIONS)).iter_rows(named=True):
        counts.setdefault(row["underlying"], {}).setdefault(row["quantity"], Counter())[row["reason"]] += row["missing_values"]
    return [
        f"{underlying:<6} {'; '.join(f'{quantity} {_counted(of_quantity)}' for quantity, of_quantity in quantities.items())}"
        for underlying, quantities in counts.items()
    ]


def _counted(reasons: Counter[str]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())


def chart_lines(result: RunResult) -> list[str]:
    """Where each page of charts lies, or why it could not be drawn; a line each."""
    return [f"Charts of {one.underlying}: {one.file or f'not drawn. {one.error}'}" for one in result.charts]


def alert_lines(result: RunResult) -> list[str]:
    """Alerts that the run opened or ended, and what could not be delivered; a line each."""
    news = result.alerts
    lines = [f"Alert: {message}" for message in news.opened] + [f"Alert over: {message}" for message in news.cleared]
    return lines + [f"Alert not delivered: {failure}" for failure in news.failures]


def _charts(result: RunResult) -> list[str]:
    """Links to the pages that the run drew, and the command that draws this snapshot when newer ones have taken their place."""
    links = [
        f"* [{one.underlying}]({one.file.absolute().as_uri()})" if one.file else f"* {one.underlying}: not drawn. {one.error}"
        for one in result.charts
    ]
    commands = "\n".join(f"* `{command}`" for command in chart_commands(result))
    return [*(["\n".join(links)] if links else []), f"At any time:\n\n{commands}"]


def _notes(outcome: Any) -> list[str]:
    unknown = [f"unknown field {name} on {rows} rows was ignored" for name, rows in outcome.unknown_fields.items()]
    return [*outcome.warnings, *unknown]


def _table(rows: list[dict[str, Any]]) -> str:
    return markdown_table(list(rows[0]), [row.values() for row in rows]) if rows else ""


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
