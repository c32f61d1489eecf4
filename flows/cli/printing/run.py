"""A run: a line per venue, then its numbers, alerts, charts and publication."""

from __future__ import annotations

from flows.cli.printing.table import print_frame, print_json
from flows.run.report import alert_lines, chart_lines, gamma_lines, missing_lines, report_rows, snapshot_ids, venue_lines
from flows.run.result import RunResult
from warehouse.home.paths import Home
from warehouse.read.query import report

REPORTS = ("max_pain", "levels", "gamma_differences", "null_reasons")


def print_run(home: Home, result: RunResult, *, json: bool) -> None:
    """One line per venue, then max pain per expiry, levels, how gamma compares, what is not measured, and where the published file lies."""
    ids = snapshot_ids(result) if result.generation is not None else []
    if json:
        summary = {
            "run_id": result.plan.run_id,
            "exit_code": result.exit_code,
            "generation": result.generation,
            "held": result.hold_reason,
            "not_loaded": list(result.not_loaded),
            "published": str(home.published_file) if result.generation else None,
            "venues": report_rows(result),
            "charts": [{"underlying": one.underlying, "file": one.file, "error": one.error} for one in result.charts],
            "alerts": result.alerts,
            "snapshots": ids,
            **{name: report(home, name, ids).to_dicts() if ids else [] for name in REPORTS},
        }
        print_json(summary)
        return
    print("\n".join(venue_lines(result)))
    if ids:
        print("\nMax pain per expiry (USD; open interest in coins or shares):")
        print_frame(report(home, "max_pain", ids))
        print("\nLevels (USD; net gamma exposure in USD per 1 % move):")
        print_frame(report(home, "levels", ids))
        _print_lines("Gamma near the money, median difference from the venue's own:", gamma_lines(report(home, "gamma_differences", ids)))
        _print_lines("Not measured, and why:", missing_lines(report(home, "null_reasons", ids)))
    for line in result.not_loaded:
        print(f"\n{line}")
    if result.charts:
        print("\n" + "\n".join(chart_lines(result)))
    if lines := alert_lines(result):
        print("\n" + "\n".join(lines))
    if result.hold_reason:
        print(f"\nNot published. {result.hold_reason}")
    elif not any(outcome.status == "ok" for outcome in result.outcomes):
        print(f"\nNothing usable was captured; every reply is kept in {home.raw}, and readers keep what was published before.")
    else:
        new = "Published" if any(load.load and load.load.is_changed for load in result.loads) else "Nothing new; live is"
        print(f"\n{new} generation {result.generation}: {home.published_file}")


def _print_lines(title: str, lines: list[str]) -> None:
    if lines:
        print("\n".join(["", title, *lines]))
