"""The application that commands are added to, the options that several of them take, and what each begins with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from warehouse.home.logs import start_logs
from warehouse.home.version import code_version
from warehouse.settings import Settings
from warehouse.settings import load_settings as read_settings

app = App(
    name="strikehouse",
    help="A self-hosted warehouse of option positioning: snapshots of whole option chains, max pain, gamma exposure and key levels in SQL.",
    version=code_version,
    version_flags=["--version"],
    help_format="plaintext",
)
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead of tables.")]
NoPrefect = Annotated[bool, Parameter(name="--no-prefect", negative="", help="Call the same functions without a Prefect server.")]
Charts = Annotated[bool, Parameter(name="--charts", negative="", help="Draw charts of every underlying, as charts.after_run does.")]
Venues = Annotated[list[str] | None, Parameter(name="--venue", negative="", help="Only these venues; may be repeated.")]

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LOG_OPTIONS: dict[str, Any] = {}  # of the command that runs


@app.meta.default
def _with_logs(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    log_level: Annotated[Level | None, Parameter(help="Lines of this level and above on standard error; default: logs.level.")] = None,
    log_json: Annotated[bool, Parameter(negative="", help="Log lines as JSON, one object each, errors too.")] = False,
) -> Any:
    LOG_OPTIONS.update(level=log_level, as_json=log_json)
    return app(tokens, exit_on_error=False, print_error=True, result_action="return_value")


def load_settings() -> Settings:
    """The settings; from here on, lines are logged as they say."""
    settings = read_settings()
    start_logs(settings, **LOG_OPTIONS)
    return settings


def listed(given: Sequence[str] | None) -> list[str]:
    """Names of an option that may be repeated, and may name several with commas between."""
    return [name for one in given or [] for name in one.split(",")]
