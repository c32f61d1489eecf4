"""Commands that add to a home or change it."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from flows.cli.app import Charts, Json, NoPrefect, Venues, app, listed, load_settings
from flows.run.exit_codes import DONE, NOTHING_USABLE
from models.errors import UsageError
from warehouse.home.lean_imports import lean_start
from warehouse.home.logs import start_log_file
from warehouse.home.paths import Home, home_of
from warehouse.settings import Settings


@app.command
def snapshot(*underlyings: str, venue: Venues = None, no_prefect: NoPrefect = False, charts: Charts = False, json: Json = False) -> int:
    """Fetch option chains, load, check and publish them; without arguments, the whole watchlist."""
    from flows.run.plan import make_plan

    settings = load_settings()
    plan = make_plan(underlyings, listed(venue), settings, datetime.now(UTC))
    return _run(home_of(settings), settings, plan, use_prefect=not no_prefect, charts=charts, json=json)


@app.command
def demo(*, no_prefect: NoPrefect = False, charts: Charts = False, json: Json = False) -> int:
    """Add the next session of a synthetic market: it needs no network. Kept in STRIKEHOUSE_HOME, or in `data-demo` when that is not set."""
    from flows.demo.demo_run import demo_home, demo_plan, demo_settings, demo_venues, next_session

    settings = load_settings()
    home = demo_home(settings)
    with demo_venues(next_session(home)) as urls:
        settings = demo_settings(settings, urls)
        plan = demo_plan(settings, datetime.now(UTC))
        return _run(home, settings, plan, use_prefect=not no_prefect, charts=charts, json=json)


def _run(home: Home, settings: Settings, plan: object, *, use_prefect: bool, charts: bool, json: bool) -> int:
    from flows.cli.printing.run import print_run
    from flows.prefect_app.environment import set_prefect_environment
    from flows.run.plan import Plan
    from flows.run.steps import run_snapshot
    from warehouse.home.locks import underlying_locks

    assert isinstance(plan, Plan)
    if charts:
        settings = settings.model_copy(update={"charts": settings.charts.model_copy(update={"after_run": True})})
    home.prepare()  # Prefect puts its files there as soon as it is imported
    start_log_file(home, settings)
    with underlying_locks(home, plan.underlyings, f"snapshot {plan.run_id}", wait_s=settings.storage.lock_wait_s):
        if use_prefect:
            set_prefect_environment(home)
            from flows.prefect_app.flow import run_with_prefect

            result = run_with_prefect(home, settings, plan)
        else:
            result = run_snapshot(home, settings, plan)
    print_run(home, result, json=json)
    return result.exit_code


@app.command
def publish(
    *,
    rollback: Annotated[bool, Parameter(negative="", help="Make the generation before the live one live again.")] = False,
    list_: Annotated[bool, Parameter(name="--list", negative="", help="List the generations that are kept.")] = False,
    json: Json = False,
) -> int:
    """Publish the work file again, go back one generation, or list the generations."""
    from flows.cli.printing.table import print_rows
    from warehouse.home.version import code_version
    from warehouse.publish import generations as publication
    from warehouse.publish.status import note_generation
    from warehouse.storage.work_file import open_work

    settings = load_settings()
    home = home_of(settings)
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
    return DONE


@app.command(name="import")
def import_(
    *files: Annotated[Path, Parameter(help="Files, or folders that are searched for them; plain, .gz or .zip.")],
    format: Literal["cboe-csv", "deribit-json", "deribit-csv", "binance-vision", "columns", "settlements"],
    mapping: Annotated[Path | None, Parameter(help="Of the format columns: a TOML file that says which column holds what.")] = None,
    json: Json = False,
) -> int:
    """Import files that you have: downloads, dumps, tables of your own. Run again, it goes on where it was stopped."""
    from flows.history.workers import workers_for_files

    if not files:
        raise UsageError("Name the files or folders to import.")
    settings = load_settings()
    home = home_of(settings)
    with workers_for_files(home, settings, files) as workers:
        lean_start()
        from flows.cli.printing.imports import print_import
        from flows.cli.printing.progress import file_progress
        from flows.formats.registry import importer
        from flows.history.imports.archive import Reading
        from flows.history.imports.mapping_file import read_mapping
        from flows.history.imports.run import import_files

        start_log_file(home, settings)
        document = read_mapping(mapping) if mapping is not None else None
        reading = Reading(importer(format, document), document)
        with file_progress() as advance:
            result = import_files(home, settings, reading, files, clock=lambda: datetime.now(UTC), progress=advance, workers=workers)
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
    from flows.history.workers import workers_for_all_runs

    if tolerance is not None and not verify:
        raise UsageError("--tolerance goes with --verify.")
    if verify and (from_ or to):
        raise UsageError("--verify compares everything: leave out --from and --to.")
    settings = load_settings()
    home = home_of(settings)
    start_log_file(home, settings)
    with nullcontext() if from_ or to else workers_for_all_runs(home, settings) as workers:
        lean_start()
        from flows.cli.printing.maintenance import print_rebuild
        from flows.cli.printing.progress import progress_line
        from flows.history import rebuild as rebuilding

        with progress_line("runs rebuilt") as advance:
            if verify:
                result = rebuilding.verify(home, settings, tolerance=tolerance, progress=advance, workers=workers)
            else:
                result = rebuilding.rebuild(home, settings, sessions=(from_, to), progress=advance, workers=workers)
    print_rebuild(result, verify=verify, tolerance=tolerance, json=json)
    return NOTHING_USABLE if result.differences else DONE


@app.command
def maintain(
    *,
    dry_run: Annotated[bool, Parameter(name="--dry-run", negative="", help="Only say what is due.")] = False,
    json: Json = False,
) -> int:
    """Move old rows to Parquet, remove replies beyond their time once their rebuild was verified, and give space back."""
    from flows.cli.printing.maintenance import print_maintenance
    from flows.cli.printing.progress import progress_line
    from flows.history import maintain as maintenance

    settings = load_settings()
    home = home_of(settings)
    if not dry_run:
        start_log_file(home, settings)
    with progress_line("steps") as advance:
        result = maintenance.maintain(home, settings, now=datetime.now(UTC), dry_run=dry_run, progress=advance)
    print_maintenance(result, dry_run=dry_run, json=json)
    return NOTHING_USABLE if any(one.action == maintenance.NOT_VERIFIED for one in result.actions) else DONE
