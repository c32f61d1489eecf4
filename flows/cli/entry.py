"""The command line: `strikehouse …`. Each command is a few lines over a function that Python code can call too."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import cyclopts

from flows.cli.app import LOG_OPTIONS, app
from flows.cli.commands import change, read, serve
from flows.run.exit_codes import DONE, INTERRUPTED, NOTHING_USABLE, USAGE, exit_code_of
from models.errors import StrikehouseError
from models.redaction import redact
from warehouse.home.lean_imports import lean_start
from warehouse.home.logs import LOGGER, is_json_log, stop_logs

__all__ = ["app", "change", "main", "read", "serve"]  # each of the three adds its commands


STARTS_WORKERS_FIRST = ("import", "rebuild")  # commands that load libraries while other processes do so too


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: runs a command and exits with its code; our errors become one line and no traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in STARTS_WORKERS_FIRST:
        lean_start()
    LOG_OPTIONS.clear()
    try:
        code = app.meta(given, exit_on_error=False, print_error=True, result_action="return_value")
    except cyclopts.CycloptsError:
        code = USAGE
    except StrikehouseError as error:
        code = _say(error)
    except BrokenPipeError:  # who reads has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered must go somewhere at the end
        code = DONE
    except KeyboardInterrupt:
        print("strikehouse: stopped; what was archived is kept, nothing was published half.", file=sys.stderr)
        code = INTERRUPTED
    trouble = stop_logs()
    if trouble and code not in (NOTHING_USABLE, USAGE):
        print(f"strikehouse: {trouble}", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else DONE)


def _say(error: StrikehouseError) -> int:
    """One line that says what is wrong, for people or, where lines are JSON, as one of them; the log file has it too."""
    if not is_json_log():
        print(f"strikehouse: {redact(str(error))}", file=sys.stderr)
    LOGGER.error("%s", error, extra={"shown": True})
    return exit_code_of(error)
