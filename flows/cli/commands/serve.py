"""Commands that serve until they are stopped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter

from flows.cli.app import Json, app, load_settings
from flows.run.exit_codes import DONE
from models.errors import UsageError
from warehouse.home.logs import start_log_file
from warehouse.home.paths import home_of


@app.command
def schedule(
    *,
    list_: Annotated[bool, Parameter(name="--list", negative="", help="List the next runs that are due, and serve nothing.")] = False,
    json: Json = False,
) -> int:
    """Serve the watchlist's schedules, each in its own time zone, until stopped; with --list say what would run next."""
    from flows.cli.printing.table import print_rows
    from flows.prefect_app.environment import set_prefect_environment

    settings = load_settings()
    home = home_of(settings)
    home.prepare()  # Prefect puts its files there as soon as it is imported
    if list_:
        set_prefect_environment(home)
        from flows.prefect_app.next_runs import next_runs

        print_rows(next_runs(settings, datetime.now(UTC)), json=json)
    else:
        if json:
            raise UsageError("--json goes with --list.")
        from flows.prefect_app.server import serving_prefect

        start_log_file(home, settings)
        if not any(watch.schedule for watch in settings.watchlist.values()):
            raise UsageError(
                "Nothing in the watchlist has a schedule: give an underlying cron lines in strikehouse.toml (docs/operations.md)."
            )
        with serving_prefect(home, settings):
            from flows.prefect_app.serve import serve_schedules

            serve_schedules(home, settings)
    return DONE


@app.command
def api(
    *,
    host: Annotated[str, Parameter(help="Address to listen on; beyond loopback only with keys.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port to listen on; 0 takes a free one.")] = 8000,
) -> int:
    """Serve the HTTP API until interrupted; new publications are served as soon as they are there."""
    from warehouse.api.server.serve import serve

    settings = load_settings()
    serve(home_of(settings), settings, host=host, port=port)
    return DONE
