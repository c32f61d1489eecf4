"""The command line: `strikehouse …`. Each command is a few lines over a function that Python code can call too."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
from cyclopts import App, Parameter

from models.errors import SettingsError, StrikehouseError, UsageError
from models.redaction import redact
from warehouse.home import Home, home_of
from warehouse.lean_imports import lean_start
from warehouse.logs import LOGGER, is_json_log, start_log_file, start_logs, stop_logs
from warehouse.settings import Settings
from warehouse.settings import load_settings as read_settings

app = App(
    name="strikehouse",
    help="A self-hosted warehouse of option positioning: snapshots of whole option chains, max pain, gamma exposure and key levels in SQL.",
    version_flags=["--version"],
    help_format="plaintext",
)
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead of tables.")]
NoPrefect = Annotated[bool, Parameter(name="--no-prefect", negative="", help="Call the same functions without a Prefect server.")]
Charts = Annotated[bool, Parameter(name="--charts", negative="", help="Draw charts of every underlying, as charts.after_run does.")]
Venues = Annotated[list[str] | None, Parameter(name="--venue", negative="", help="Only these venues; may be repeated.")]


Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
_LOG_OPTIONS: dict[str, Any] = {}  # of the command that runs


@app.meta.default
def _with_logs(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    log_level: Annotated[Level | None, Parameter(help="Lines of this level and above on standard error; default: logs.level.")] = None,
    log_json: Annotated[bool, Parameter(negative="", help="Log lines as JSON, one object each, errors too.")] = False,
) -> Any:
    _LOG_OPTIONS.update(level=log_level, as_json=log_json)
    return app(tokens, exit_on_error=False, print_error=True, result_action="return_value")


def load_settings() -> Settings:
    """The settings; from here on, lines are logged as they say."""
    settings = read_settings()
    start_logs(settings, **_LOG_OPTIONS)
    return settings


def _home(settings: Settings) -> Home:
    return home_of(settings)


@app.command
def snapshot(*underlyings: str, venue: Venues = None, no_prefect: NoPrefect = False, charts: Charts = False, json: Json = False) -> int:
    """Fetch option chains, load, check and publish them; without arguments, the whole watchlist."""
    from flows.plan import make_plan

    settings = load_settings()
    plan = make_plan(underlyings, [name for one in venue or [] for name in one.split(",")], settings, datetime.now(UTC))
    return _run(_home(settings), settings, plan, use_prefect=not no_prefect, charts=charts, json=json)


@app.command
def demo(*, no_prefect: NoPrefect = False, charts: Charts = False, json: Json = False) -> int:
    """Add the next session of a synthetic market: it needs no network. Kept in STRIKEHOUSE_HOME, or in `data-demo` when that is not set."""
    from flows.demo import demo_home, demo_plan, demo_settings, demo_venues, next_session

    settings = load_settings()
    home = demo_home(settings)
    with demo_venues(next_session(home)) as urls:
        settings = demo_settings(settings, urls)
        plan = demo_plan(settings, datetime.now(UTC))
        return _run(home, settings, plan, use_prefect=not no_prefect, charts=charts, json=json)


def _run(home: Home, settings: Settings, plan: object, *, use_prefect: bool, charts: bool, json: bool) -> int:
    from flows.charts import with_charts
    from flows.plan import Plan
    from flows.prefect_environment import set_prefect_environment
    from flows.printing import print_run
    from flows.run import run_snapshot
    from warehouse.lock import underlying_locks

    assert isinstance(plan, Plan)
    if charts:
        settings = settings.model_copy(update={"charts": settings.charts.model_copy(update={"after_run": True})})
    home.prepare()  # Prefect puts its files there as soon as it is imported
    start_log_file(home, settings)
    with underlying_locks(home, plan.underlyings, f"snapshot {plan.run_id}", wait_s=settings.storage.lock_wait_s):
        if use_prefect:
            set_prefect_environment(home)
            from flows.snapshot import run_with_prefect

            result = run_with_prefect(home, settings, plan)
        else:
            result = with_charts(home, settings, run_snapshot(home, settings, plan))
    print_run(home, result, json=json)
    return result.exit_code


@app.command
def schedule(
    *,
    list_: Annotated[bool, Parameter(name="--list", negative="", help="List the next runs that are due, and serve nothing.")] = False,
    json: Json = False,
) -> int:
    """Serve the watchlist's schedules, each in its own time zone, until stopped; with --list say what would run next."""
    from flows.prefect_environment import set_prefect_environment
    from flows.printing import print_rows

    settings = load_settings()
    home = _home(settings)
    home.prepare()  # Prefect puts its files there as soon as it is imported
    if list_:
        set_prefect_environment(home)
        from flows.next_runs import next_runs

        print_rows(next_runs(settings, datetime.now(UTC)), json=json)
    else:
        if json:
            raise UsageError("--json goes with --list.")
        from flows.prefect_server import serving_prefect

        start_log_file(home, settings)
        if not any(watch.schedule for watch in settings.watchlist.values()):
            raise UsageError(
                "Nothing in the watchlist has a schedule: give an underlying cron lines in strikehouse.toml (docs/operations.md)."
            )
        with serving_prefect(home, settings):
            from flows.serve import serve_schedules

            serve_schedules(home, settings)
    return 0


@app.command
def publish(
    *,
    rollback: Annotated[bool, Parameter(negative="", help="Make the generation before the live one live again.")] = False,
    list_: Annotated[bool, Parameter(name="--list", negative="", help="List the generations that are kept.")] = False,
    json: Json = False,
) -> int:
    """Publish the work file again, go back one generation, or list the generations."""
    from flows.printing import print_rows
    from flows.version import code_version
    from warehouse import publish as publication
    from warehouse.status import note_generation
    from warehouse.work import open_work

    settings = load_settings()
    home = _home(settings)
    if list_:
        rows = [
            {
                "generation": one.number,
                "live": "live" if one.is_live else "",
                **{key: one.manifest[key] for key in ("published_at", "run_id", "bytes")},
            }
            for one in publication.generations(home)
        ]
        print_rows(rows, json=json)
    elif rollback:
        number = publication.roll_back(home, wait_s=settings.storage.lock_wait_s)
        print_rows([{"live generation": number}], json=json)
    else:
        start_log_file(home, settings)
        with open_work(home, settings, "publish") as con:
            number = publication.publish(con, home, settings, run_id=None, now=datetime.now(UTC), code_version=code_version())
        note_generation(home, number)
        print_rows([{"live generation": number, "file": str(home.published_file)}], json=json)
    return 0


@app.command
def show(
    table: str,
    underlying: str | None = None,
    *,
    as_of: str | None = None,
    venue: Venues = None,
    expiry: date | None = None,
    expires_at: str | None = None,
    dte_min: int | None = None,
    dte_max: int | None = None,
    strike_min: float | None = None,
    strike_max: float | None = None,
    moneyness_min: float | None = None,
    moneyness_max: float | None = None,
    window_pct: float | None = None,
    complete_only: Annotated[bool, Parameter(negative="")] = False,
    until: Annotated[date | None, Parameter(help="Of opex: also expiries up to this date that no stored chain has.")] = None,
    limit: Annotated[int | None, Parameter(help="At most so many rows.")] = None,
    json: Json = False,
) -> int:
    """Show a published table (`latest.max_pain`), a macro for one underlying (`max_pain SPX --expiry 2026-08-21`), or `opex SPX`."""
    from flows.printing import print_calendar, print_frame
    from warehouse.macros import MACROS
    from warehouse.opex import opex_calendar
    from warehouse.query import call_macro, show_table

    settings = load_settings()
    home = _home(settings)
    is_opex = table in ("opex", "opex_calendar")
    if until is not None and not is_opex:
        raise UsageError("--until works with opex only: `strikehouse show opex SPX --until 2028-12-31`.")
    filters = {
        "as_of": as_of, "venues": venue, "expiry": expiry, "expires_at": expires_at, "dte_min": dte_min, "dte_max": dte_max,
        "strike_min": strike_min, "strike_max": strike_max, "moneyness_min": moneyness_min, "moneyness_max": moneyness_max,
        "window_pct": window_pct, "complete_only": complete_only or None,
    }  # fmt: skip
    if table in MACROS or is_opex:
        if underlying is None:
            raise UsageError(f"{table} needs an underlying: `strikehouse show {table} SPX`.")
        arguments = {"underlying": underlying, **filters}
        frame = opex_calendar(home, settings, {**arguments, "until": until}) if is_opex else call_macro(home, table, arguments)
        frame = frame if limit is None else frame.head(limit)
    else:
        given = [name.replace("_", "-") for name, value in filters.items() if value is not None]
        if given:
            raise UsageError(f"--{', --'.join(given)} work with the macros only: {', '.join(MACROS)}.")
        frame = show_table(home, table, underlying=underlying, limit=limit)
    if is_opex and not json:
        print_calendar(frame)
    else:
        print_frame(frame, json=json)
    return 0


@app.command
def chart(
    kind: Literal["pain", "oi", "gex", "heatmap", "profile", "term", "opex", "drift", "all"],
    underlying: str,
    *,
    as_of: str | None = None,
    venue: Venues = None,
    expiry: Annotated[date | None, Parameter(help="Of pain: without it the next monthly or quarterly one.")] = None,
    expires_at: str | None = None,
    dte_min: int | None = None,
    dte_max: int | None = None,
    strike_min: float | None = None,
    strike_max: float | None = None,
    moneyness_min: float | None = None,
    moneyness_max: float | None = None,
    window_pct: float | None = None,
    complete_only: Annotated[bool, Parameter(negative="")] = False,
    zoom_pct: Annotated[float | None, Parameter(help="Show strikes within so many percent of spot; nothing is computed again.")] = None,
    strike_step: Annotated[float | None, Parameter(help="Of heatmap: add strikes up in steps of so many USD.")] = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], help="A name that ends in .html or .png.")] = None,
    json: Json = False,
) -> int:
    """Draw a chart of one underlying as one HTML file that needs no network, or as a PNG; `all` puts every kind on one page."""
    from flows.printing import print_chart
    from warehouse.web.charts import check_target, draw_all, draw_chart, write_charts
    from warehouse.web.request import ChartRequest

    settings = load_settings()
    if output is not None:
        check_target(output, settings.charts)
    request = ChartRequest(
        underlying, as_of=as_of, venues=[name for one in venue for name in one.split(",")] if venue else None, expiry=expiry,
        expires_at=expires_at, dte_min=dte_min, dte_max=dte_max, strike_min=strike_min, strike_max=strike_max,
        moneyness_min=moneyness_min, moneyness_max=moneyness_max, window_pct=window_pct, complete_only=complete_only or None,
        zoom_pct=zoom_pct, strike_step=strike_step,
    )  # fmt: skip
    home = _home(settings)
    charts, left_out = draw_all(home, request) if kind == "all" else ([draw_chart(home, kind, request)], [])
    file = output or Path(f"{charts[0].file_stem_of(kind)}.html")
    write_charts(charts, file, settings.charts)
    print_chart(charts, left_out, file.absolute(), json=json)
    return 0


@app.command
def explain(
    kind: Literal["max-pain", "gex", "level", "pin-score", "iv"],
    underlying: str,
    *about: Annotated[str, Parameter(help="Date (2026-08-21), settlement instant, strike, name of a level, or instrument.")],
    as_of: str | None = None,
    venue: Venues = None,
    zero_dte: Annotated[bool, Parameter(negative="", help="Of level: the profile of 0DTE.")] = False,
    definition: Annotated[str | None, Parameter(help="Another convention beside ours: flashalpha, backquant, reversed …")] = None,
    top: Annotated[int, Parameter(help="So many strikes and contracts.")] = 5,
    json: Json = False,
) -> int:
    """Show where a number comes from: definition, inputs, contracts, archived rows, other conventions (`explain gex SPX 2026-08-21`)."""
    from flows.printing_explain import print_explanation
    from warehouse.explain.door import explain as explain_question
    from warehouse.explain.question import from_words, instant_of
    from warehouse.query import open_published

    venues = [name for one in venue for name in one.lower().split(",")] if venue else None
    at = None if as_of is None else instant_of(as_of)
    question = from_words(
        kind, underlying, about, as_of=at, venues=venues, zero_dte=zero_dte, definition=definition, top=top
    )  # fmt: skip
    home = _home(load_settings())
    with open_published(home) as con:
        found = explain_question(con, home, question)
    print_explanation(found, json=json)
    return 0


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
    from flows.printing import print_rows
    from warehouse.export import export_table

    names = [name for one in underlying or [] for name in one.split(",")]
    result = export_table(_home(load_settings()), table, format, output, underlyings=names, sessions=(from_, to))
    if not result.is_stdout:
        print_rows([{"table": table, "rows": result.rows, "files": result.files, "output": str(result.output)}], json=json)
    return 0


@app.command
def sql(
    statement: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *,
    format: Literal["table", "csv", "json", "parquet"] = "table",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], help="File to write.")] = None,
    json: Json = False,
) -> int:
    """Run SQL on the published file: read-only, with no access to other files. `-` reads the statement from standard input."""
    from flows.printing import print_frame, write_frame
    from warehouse.query import query

    text = sys.stdin.read() if statement == "-" else statement
    frame = query(_home(load_settings()), text)
    if format in ("csv", "parquet") or output is not None:
        write_frame(frame, format if format != "table" else "csv", output)
    else:
        print_frame(frame, json=json or format == "json")
    return 0


@app.command
def api(
    *,
    host: Annotated[str, Parameter(help="Address to listen on; beyond loopback only with keys.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port to listen on; 0 takes a free one.")] = 8000,
) -> int:
    """Serve the HTTP API until interrupted; new publications are served as soon as they are there."""
    from warehouse.api.serve import serve

    settings = load_settings()
    serve(_home(settings), settings, host=host, port=port)
    return 0


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
    from flows.printing import print_status
    from flows.run import DONE, STALE_DATA
    from flows.status import read_freshness
    from warehouse.freshness import STALE
    from warehouse.schedule_log import read_schedule_log
    from warehouse.status import snapshots_with_other_settings

    settings = load_settings()
    home = _home(settings)
    now = datetime.now(UTC)
    news = None
    if alert:
        from flows.alerts import alerts_without_run

        start_log_file(home, settings)
        news = alerts_without_run(home, settings, now)
    asked = ([name.upper() for name in underlyings], [name for one in venue or [] for name in one.split(",")])
    state, rows = read_freshness(home, settings, now, *asked)
    state |= {"schedule": read_schedule_log(home).last()}
    print_status(state, rows, other_settings=snapshots_with_other_settings(state, settings), news=news, json=json)
    counted = [row for row in rows if row.is_watched or any(asked)]
    return STALE_DATA if any(row.is_at_least(STALE) for row in counted) else DONE


@app.command
def doctor(
    *,
    offline: Annotated[bool, Parameter(negative="", help="Ask no venue.")] = False,
    deep: Annotated[bool, Parameter(negative="", help="Compare every archived reply with its hash, not a sample.")] = False,
    json: Json = False,
) -> int:
    """Examine versions, settings, home, disk, locks, time zones, venues, publication and archive; exits with 1 on a problem."""
    from flows.doctor import examine
    from flows.printing import print_findings
    from flows.run import DONE, NOTHING_USABLE
    from warehouse.doctor import PROBLEM

    findings = examine(load_settings, offline=offline, deep=deep, now=datetime.now(UTC))
    print_findings(findings, json=json)
    return NOTHING_USABLE if any(one.state == PROBLEM for one in findings) else DONE


@app.command(name="import")
def import_(
    *files: Annotated[Path, Parameter(help="Files, or folders that are searched for them; plain, .gz or .zip.")],
    format: Literal["cboe-csv", "deribit-json", "deribit-csv", "binance-vision", "columns", "settlements"],
    mapping: Annotated[Path | None, Parameter(help="Of the format columns: a TOML file that says which column holds what.")] = None,
    json: Json = False,
) -> int:
    """Import files that you have: downloads, dumps, tables of your own. Run again, it goes on where it was stopped."""
    from flows.imports.archive import Reading
    from flows.imports.mapping import read_mapping
    from flows.imports.registry import importer
    from flows.imports.report import file_progress, print_import
    from flows.imports.run import import_files

    if not files:
        raise UsageError("Name the files or folders to import.")
    settings = load_settings()
    home = _home(settings)
    start_log_file(home, settings)
    document = read_mapping(mapping) if mapping is not None else None
    reading = Reading(importer(format, document), document)
    with file_progress() as advance:
        result = import_files(home, settings, reading, files, clock=lambda: datetime.now(UTC), progress=advance)
    print_import(home, result, json=json)
    return result.exit_code


@app.command
def rebuild(
    *,
    from_: Annotated[date | None, Parameter(name="--from", help="Only snapshots from this session date on.")] = None,
    to: Annotated[date | None, Parameter(help="Only snapshots up to this session date.")] = None,
    verify: Annotated[bool, Parameter(negative="", help="Compare with the warehouse instead of replacing it.")] = False,
    tolerance: Annotated[float | None, Parameter(help="With --verify: compare values within this relative tolerance.")] = None,
    json: Json = False,
) -> int:
    """Build every table again from raw/; with --verify compare the hashes of all tables and say which differ."""
    from flows import rebuild as rebuilding
    from flows.printing import print_rebuild, progress_line

    if tolerance is not None and not verify:
        raise UsageError("--tolerance goes with --verify.")
    if verify and (from_ or to):
        raise UsageError("--verify compares everything: leave out --from and --to.")
    settings = load_settings()
    home = _home(settings)
    start_log_file(home, settings)
    with progress_line("runs rebuilt") as advance:
        if verify:
            result = rebuilding.verify(home, settings, tolerance=tolerance, progress=advance)
        else:
            result = rebuilding.rebuild(home, settings, sessions=(from_, to), progress=advance)
    print_rebuild(result, verify=verify, tolerance=tolerance, json=json)
    return 0 if not result.differences else 1


@app.command
def maintain(
    *,
    dry_run: Annotated[bool, Parameter(name="--dry-run", negative="", help="Only say what is due.")] = False,
    json: Json = False,
) -> int:
    """Move old rows to Parquet, remove replies beyond their time once their rebuild was verified, and give space back."""
    from flows import maintain as maintenance
    from flows.printing import print_maintenance, progress_line

    settings = load_settings()
    home = _home(settings)
    if not dry_run:
        start_log_file(home, settings)
    with progress_line("steps") as advance:
        result = maintenance.maintain(home, settings, now=datetime.now(UTC), dry_run=dry_run, progress=advance)
    print_maintenance(result, dry_run=dry_run, json=json)
    return 1 if any(one.action == maintenance.NOT_VERIFIED for one in result.actions) else 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: runs a command and exits with its code; our errors become one line and no traceback."""
    lean_start()
    _LOG_OPTIONS.clear()
    try:
        given = list(sys.argv[1:] if arguments is None else arguments)
        code = app.meta(given, exit_on_error=False, print_error=True, result_action="return_value")
    except cyclopts.CycloptsError:
        code = 2
    except (UsageError, SettingsError) as error:
        code = _say(error, 2)
    except StrikehouseError as error:
        code = _say(error, 1)
    except BrokenPipeError:  # who reads has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered must go somewhere at the end
        code = 0
    except KeyboardInterrupt:
        print("strikehouse: stopped; what was archived is kept, nothing was published half.", file=sys.stderr)
        code = 130
    trouble = stop_logs()
    if trouble and code not in (1, 2):
        print(f"strikehouse: {trouble}", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def _say(error: StrikehouseError, code: int) -> int:
    """One line that says what is wrong, for people or, where lines are JSON, as one of them; the log file has it too."""
    if not is_json_log():
        print(f"strikehouse: {redact(str(error))}", file=sys.stderr)
    LOGGER.error("%s", error, extra={"shown": True})
    return code
