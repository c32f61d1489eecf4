"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from flows.history.rebuild import RebuildResult
from flows.run.alerts import AlertNews
from flows.run.report import alert_lines, chart_lines, gamma_lines, missing_lines, report_rows, snapshot_ids, venue_lines
from flows.run.result import RunResult
from models.errors import UsageError
from warehouse.home.files import disk_errors
from warehouse.home.paths import Home
from warehouse.monitor.freshness import Freshness
from warehouse.read.json_values import json_value
from warehouse.read.query import report

if TYPE_CHECKING:
    from flows.history.maintain import Maintenance
    from warehouse.charts.chart import Chart
    from warehouse.monitor.health_machine import Finding

REPORTS = ("max_pain", "levels", "gamma_differences", "null_reasons")
MAX_ROWS_ON_END, MIN_COLUMNS_ON_END = 4, 14  # such a table is printed with a line per column


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


def print_frame(frame: pl.DataFrame, *, json: bool = False) -> None:
    """A frame as a table that shows every row and column, or as JSON rows."""
    if json:
        print_json(frame.to_dicts())
        return
    if frame.height <= MAX_ROWS_ON_END and frame.width > MIN_COLUMNS_ON_END:
        frame = _on_end(frame)
    rows = [[_cell(value) for value in row] for row in frame.iter_rows()]
    is_number = [dtype.is_numeric() for dtype in frame.dtypes]
    widths = [max([len(name), *(len(row[index]) for row in rows)]) for index, name in enumerate(frame.columns)]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.rjust(width) if number else cell.ljust(width) for cell, width, number in zip(cells, widths, is_number, strict=True))
        return "  ".join(padded).rstrip()

    if frame.is_empty():
        print(f"No rows ({', '.join(frame.columns)}).")
        return
    print(line(frame.columns))
    print("  ".join("─" * width for width in widths))
    for row in rows:
        print(line(row))


def print_calendar(frame: pl.DataFrame) -> None:
    """Rows of the OPEX calendar, flags in words; every column is in the JSON."""
    flags = [name for name in frame.columns if name.startswith("is_") and name not in ("is_anchor", "is_listed")]
    words = [pl.when(pl.col(name)).then(pl.lit(name.removeprefix("is_").replace("_", " "))) for name in flags]
    measured = [
        pl.col("total_oi"),
        pl.col("oi_rolloff_pct", "gex_rolloff_pct").round(2),
        pl.col("max_pain_strike", "call_resistance", "put_support"),
    ]
    print_frame(
        frame.select(
            "expiry",
            pl.col("expires_at").dt.strftime("%Y-%m-%d %H:%M").alias("expires_at_utc"),
            "dte",
            "type",
            pl.concat_str(words, separator=", ", ignore_nulls=True).alias("flags"),
            pl.when("is_listed").then(pl.lit("yes")).otherwise(pl.lit("no")).alias("listed"),
            *(measured if frame["is_listed"].any() else []),
        )
    )
    if frame.height and (anchor := frame["next_anchor"][0]) is not None:
        print(f"\nNext anchor: {anchor:%Y-%m-%d %H:%M} UTC.")


def _on_end(frame: pl.DataFrame) -> pl.DataFrame:
    """A few long rows read better as columns."""
    values = [[_cell(value) for value in row] for row in frame.iter_rows()]
    return pl.DataFrame({"column": frame.columns, **{f"row {index + 1}": row for index, row in enumerate(values)}})


def print_rows(rows: list[dict[str, Any]], *, json: bool) -> None:
    """Rows as a table or as JSON."""
    print_frame(pl.DataFrame(rows, infer_schema_length=None), json=json)


def print_status(
    state: dict[str, Any], rows: list[Freshness], *, other_settings: int, news: AlertNews | None = None, json: bool = False
) -> None:
    """Freshness per underlying and venue, and what a person should do; `other_settings` counts snapshots of settings before these.

    `state` is status.json; its `schedule`, if there, holds the last row of published/schedule.json per underlying.
    """
    if json:
        print_json({**state, "snapshots_with_other_settings": other_settings, "freshness": rows, "alert_news": news})
        return
    print_rows(
        [
            {
                "underlying": row.underlying,
                "venue": row.venue,
                "last_snapshot_utc": row.captured_at.strftime("%Y-%m-%d %H:%M") if row.captured_at else None,
                "age_hours": None if row.age_hours is None else round(row.age_hours, 1),
                "freshness": row.state,
                "why": row.why if row.is_watched else f"{row.why} (not on the watchlist)",
            }
            for row in rows
        ],
        json=False,
    )
    if due := state.get("schedule"):
        print("\nThe last scheduled run of each underlying (UTC):")
        print_rows([{key: row[key] for key in ("underlying", "due_at", "outcome", "reason")} for row in due], json=False)
    live = "Nothing is published" if state["generation"] is None else f"Generation {state['generation']} is live"
    print(f"\n{live}; last written {state['written_at']} by {state['run_id'] or 'a rebuild'}.")
    if state["held"]:
        print(f"The last run was not published. {state['held']}")
    for one in state.get("alerts", []):
        delivery = (
            "delivered" if one["delivered_at"] else f"not delivered: {one['delivery_error']}" if one["delivery_error"] else "not delivered"
        )
        print(f"Alert since {one['first_seen_at']} ({delivery}): {one['message']}")
    for failure in news.failures if news else ():
        print(f"Not delivered: {failure}")
    if news and news.not_asked:
        print(f"Only rules of kind stale were asked, of what the runs before reported: {news.not_asked.partition('. ')[0]}.")
    if other_settings:
        print(f"{other_settings} snapshots were computed with other settings: a rebuild is due (`strikehouse rebuild`).")


def print_findings(findings: Sequence[Finding], *, json: bool) -> None:
    """What the doctor found, a line per check."""
    if json:
        print_json(findings)
        return
    width = max(len(one.check) for one in findings)
    for one in findings:
        print(f"{one.state:<8} {one.check:<{width}}  {one.what}{f' → {one.mend}' if one.mend else ''}")


def print_rebuild(result: RebuildResult, *, verify: bool, tolerance: float | None, json: bool) -> None:
    """What a rebuild or a verification found."""
    if json:
        print_json(result)
    elif not verify:
        done = "there was no usable snapshot to publish" if result.generation is None else f"published generation {result.generation}"
        print("\n".join([*result.differences, f"Rebuilt {_runs(result.runs)} from raw/ and {done}."]))
    elif result.differences:
        print("\n".join(result.differences))
        difference_count, compared = len(result.differences), f"from a rebuild of {_runs(result.runs)}"
        if tolerance is None:
            print(f"{difference_count} of {result.tables_compared} table partitions differ {compared}.")
        else:
            print(f"{difference_count} lines say what differs by more than {tolerance:g} {compared}.")
    else:
        how = "bit for bit" if tolerance is None else f"within {tolerance:g}"
        print(f"Equal, {how}: {result.tables_compared} table partitions, rebuilt from {_runs(result.runs)}.")
    if result.kept and not json:
        print(f"{result.kept} snapshots cannot be rebuilt, because `maintain` removed their replies: their rows were kept.")


def _runs(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"


def print_maintenance(result: Maintenance, *, dry_run: bool, json: bool) -> None:
    """What maintenance did, or would do, and the space that it won."""
    won = result.bytes_before - result.bytes_after
    if json:
        print_json({**{name: getattr(result, name) for name in result.__dataclass_fields__}, "bytes_won": won, "dry_run": dry_run})
        return
    if not result.actions:
        print("Nothing is due.")
        return
    print_rows([{"action": one.action, "what": one.what, "bytes": one.bytes} for one in result.actions], json=False)
    if dry_run:
        print("\nNothing was done: this is what is due.")
        return
    more = f"{-won / 1e6:,.1f} MB more, because earlier generations are kept beside the new one"
    change = f"{won / 1e6:,.1f} MB won" if won >= 0 else more
    published = "" if result.published_bytes is None else f"; the published file has {result.published_bytes / 1e6:,.1f} MB"
    print(f"\n{result.bytes_before / 1e6:,.1f} MB before, {result.bytes_after / 1e6:,.1f} MB after: {change}{published}.")


def write_frame(frame: pl.DataFrame, format: str, output: Path | None) -> None:
    """Write a frame as CSV or Parquet to a file or to standard output."""
    target: Any = sys.stdout.buffer if output is None else output
    with disk_errors(output or Path("-")):
        if format == "parquet":
            frame.write_parquet(target)
        elif format == "json":
            content = orjson.dumps(frame.to_dicts(), default=json_value)
            target.write(content) if output is None else output.write_bytes(content)
        else:
            _write_csv(frame, target)


def _write_csv(frame: pl.DataFrame, target: Any) -> None:
    try:
        frame.write_csv(target)
    except pl.exceptions.ComputeError as error:
        raise UsageError(f"This result does not fit into CSV ({error}): choose --format json or parquet.") from error


def print_chart(charts: Sequence[Chart], left_out: Sequence[str], file: Path, *, json: bool) -> None:
    """Where the chart lies, and which kinds the filters leave no room for."""
    if json:
        first = charts[0]
        kinds = [{"kind": one.kind, "title": one.title} for one in charts]
        print_json({"file": file, "snapshot_id": first.facts.snapshot_id, "charts": kinds, "left_out": left_out})
        return
    for reason in left_out:
        print(f"Left out {reason}")
    what = charts[0].title if len(charts) == 1 else f"{len(charts)} charts of {charts[0].facts.underlying}"
    print(f"{what}: {file}")


@contextmanager
def progress_line(what: str) -> Iterator[Callable[[str], None]]:
    """A counter on a terminal; nothing when piped."""
    if not sys.stderr.isatty():
        yield lambda _name: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn(f"{{task.completed}} {what}: {{task.description}}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda name: progress.update(task, advance=1, description=name)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:,.0f}"
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return str(value)


def print_json(value: Any) -> None:
    """Any value as JSON."""
    print(orjson.dumps(value, default=json_value, option=orjson.OPT_INDENT_2).decode())
