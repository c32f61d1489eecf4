"""Commands that show what is there."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from flows.cli.app import Json, Venues, app, listed, load_settings
from flows.cli.options import ChartOptions, ExplainOptions, FilterOptions, arguments_of
from flows.run.exit_codes import DONE, NOTHING_USABLE, STALE_DATA
from models.errors import UsageError
from warehouse.home.logs import start_log_file
from warehouse.home.paths import home_of

NO_FILTERS, WHOLE_CHART, PLAIN_EXPLANATION = FilterOptions(), ChartOptions(), ExplainOptions()


@app.command
def show(
    table: str,
    underlying: str | None = None,
    *,
    filters: FilterOptions = NO_FILTERS,
    limit: Annotated[int | None, Parameter(help="At most so many rows.")] = None,
    json: Json = False,
) -> int:
    """Show a published table (`latest.max_pain`), a macro for one underlying (`max_pain SPX --expiry 2026-08-21`), or `opex SPX`."""
    from flows.cli.printing.results import print_calendar
    from flows.cli.printing.table import print_frame
    from warehouse.catalog.filters import CalendarFilters
    from warehouse.catalog.macros import MACROS
    from warehouse.read.opex import opex_calendar
    from warehouse.read.query import call_macro, show_table

    settings = load_settings()
    home = home_of(settings)
    arguments = CalendarFilters(**arguments_of(filters)).arguments()
    is_opex = table in ("opex", "opex_calendar")
    if arguments["until"] is not None and not is_opex:
        raise UsageError("--until works with opex only: `strikehouse show opex SPX --until 2028-12-31`.")
    if table in MACROS or is_opex:
        if underlying is None:
            raise UsageError(f"{table} needs an underlying: `strikehouse show {table} SPX`.")
        arguments["underlying"] = underlying
        frame = opex_calendar(home, settings, arguments) if is_opex else call_macro(home, table, arguments)
        frame = frame if limit is None else frame.head(limit)
    else:
        given = [name.replace("_", "-") for name, value in arguments.items() if value is not None]
        if given:
            raise UsageError(f"--{', --'.join(given)} work with the macros only: {', '.join(MACROS)}.")
        frame = show_table(home, table, underlying=underlying, limit=limit)
    if is_opex and not json:
        print_calendar(frame)
    else:
        print_frame(frame, json=json)
    return DONE


@app.command
def chart(
    kind: Literal["pain", "oi", "gex", "heatmap", "profile", "term", "opex", "drift", "all"],
    underlying: str,
    *,
    options: ChartOptions = WHOLE_CHART,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], help="A name that ends in .html or .png.")] = None,
    json: Json = False,
) -> int:
    """Draw a chart of one underlying as one HTML file that needs no network, or as a PNG; `all` puts every kind on one page.

    `pain` is of one expiry: without --expiry the next monthly or quarterly one.
    """
    from flows.cli.printing.results import print_chart
    from warehouse.charts.registry import check_target, draw_all, draw_chart, write_charts
    from warehouse.read.filters import ChartRequest

    settings = load_settings()
    if output is not None:
        check_target(output, settings.charts)
    request = ChartRequest(underlying, **arguments_of(options))
    home = home_of(settings)
    charts, left_out = draw_all(home, request) if kind == "all" else ([draw_chart(home, kind, request)], [])
    file = output or Path(f"{charts[0].file_stem_of(kind)}.html")
    write_charts(charts, file, settings.charts)
    print_chart(charts, left_out, file.absolute(), json=json)
    return DONE


@app.command
def explain(
    kind: Literal["max-pain", "gex", "level", "pin-score", "iv"],
    underlying: str,
    *about: Annotated[str, Parameter(help="Date (2026-08-21), settlement instant, strike, name of a level, or instrument.")],
    options: ExplainOptions = PLAIN_EXPLANATION,
    json: Json = False,
) -> int:
    """Show where a number comes from: definition, inputs, contracts, archived rows, other conventions (`explain gex SPX 2026-08-21`)."""
    from flows.cli.printing.explain import print_explanation
    from warehouse.explain.dispatch import explain as explain_number
    from warehouse.explain.request import from_words
    from warehouse.read.query import open_published

    request = from_words(kind, underlying, about, **arguments_of(options))
    home = home_of(load_settings())
    with open_published(home) as con:
        explanation = explain_number(con, home, request)
    print_explanation(explanation, json=json)
    return DONE


@app.command
def export(
    table: str,
    underlying: Annotated[list[str] | None, Parameter(name="--underlying", negative="", help="Only these; may be repeated.")] = None,
    *,
    from_: Annotated[date | None, Parameter(name="--from", help="Only sessions from this date on.")] = None,
    to: Annotated[date | None, Parameter(help="Only sessions up to this date.")] = None,
    format: Literal["parquet", "csv", "arrow"] = "parquet",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], help="Folder (parquet) or file; `-` is standard output.")] = None,
    json: Json = False,
) -> int:
    """Write a table out: Parquet in folders by session and underlying, CSV, or an Arrow stream."""
    from flows.cli.printing.table import print_rows
    from warehouse.read.export import export_table

    names = listed(underlying)
    result = export_table(home_of(load_settings()), table, format, output, underlyings=names, sessions=(from_, to))
    if not result.is_stdout:
        print_rows([{"table": table, "rows": result.rows, "files": result.files, "output": str(result.output)}], json=json)
    return DONE


@app.command
def sql(
    statement: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *,
    format: Literal["table", "csv", "json", "parquet"] = "table",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], help="File to write.")] = None,
    json: Json = False,
) -> int:
    """Run SQL on the published file: read-only, with no access to other files. `-` reads the statement from standard input."""
    from flows.cli.printing.results import write_frame
    from flows.cli.printing.table import print_frame
    from warehouse.read.query import query

    text = sys.stdin.read() if statement == "-" else statement
    frame = query(home_of(load_settings()), text)
    if format in ("csv", "parquet") or output is not None:
        write_frame(frame, format if format != "table" else "csv", output)
    else:
        print_frame(frame, json=json or format == "json")
    return DONE


@app.command
def status(
    *underlyings: str,
    venue: Venues = None,
    alert: Annotated[bool, Parameter(negative="", help="Ask the alert rules too, and deliver: for cron, where no run does.")] = False,
    json: Json = False,
) -> int:
    """Show how fresh the data of each underlying and venue are; exits with 5 when something is stale or unavailable.

    Without names, what is not on the watchlist is shown and does not count.
    """
    from flows.cli.printing.health import print_status
    from flows.run.exit_codes import DONE
    from warehouse.monitor.freshness import STALE
    from warehouse.monitor.status import read_freshness
    from warehouse.publish.schedule_log import read_schedule_log
    from warehouse.publish.status import snapshots_with_other_settings

    settings = load_settings()
    home = home_of(settings)
    now = datetime.now(UTC)
    news = None
    if alert:
        from flows.run.alerts import alerts_without_run

        start_log_file(home, settings)
        news = alerts_without_run(home, settings, now)
    selection = ([name.upper() for name in underlyings], listed(venue))
    state, rows = read_freshness(home, settings, now, *selection)
    state |= {"schedule": read_schedule_log(home).last()}
    print_status(state, rows, other_settings=snapshots_with_other_settings(state, settings), news=news, json=json)
    counted = [row for row in rows if row.is_watched or any(selection)]
    return STALE_DATA if any(row.is_at_least(STALE) for row in counted) else DONE


@app.command
def doctor(
    *,
    offline: Annotated[bool, Parameter(negative="", help="Ask no venue.")] = False,
    deep: Annotated[bool, Parameter(negative="", help="Compare every archived reply with its hash, not a sample.")] = False,
    json: Json = False,
) -> int:
    """Examine versions, settings, home, disk, locks, time zones, venues, publication and archive; exits with 1 on a problem."""
    from flows.cli.printing.health import print_findings
    from flows.doctor.examine import examine
    from flows.run.exit_codes import DONE
    from warehouse.monitor.health_machine import PROBLEM

    findings = examine(load_settings, offline=offline, deep=deep, now=datetime.now(UTC))
    print_findings(findings, json=json)
    return NOTHING_USABLE if any(one.state == PROBLEM for one in findings) else DONE
