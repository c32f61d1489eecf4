"""`python -m tests.soak.worker HOME`: runs the commands that it is told, one JSON line each, until its input ends or it is killed."""

from __future__ import annotations

import faulthandler
import io
import json
import os
import signal
import sys
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.cli import main
from flows.history.maintain import maintain
from flows.run.steps import run_snapshot
from tests.soak.steps import Steps
from warehouse.home.lean_imports import lean_start
from warehouse.home.paths import Home
from warehouse.settings import load_settings


def slow_file(home: Path) -> Path:
    """Where a worker notes, on SIGUSR1, what it is doing."""
    return home.parent / "slow.txt"


def load_all() -> None:
    """What a run imports late: a kill shall hit a run, not the start of Python."""
    lean_start()
    import flows.cli.printing.run
    import flows.sources.http  # noqa: F401

    assert callable(run_snapshot)


def run_command(command: list[str]) -> None:
    """A command of ours; `maintain-at INSTANT` is `maintain` at another time."""
    if command[0] != "maintain-at":
        main(command)
        return
    settings = load_settings()
    maintain(Home(settings.home), settings, now=datetime.fromisoformat(command[1]), dry_run=False, progress=lambda _step: None)


def answer(message: dict[str, Any], steps: Steps) -> dict[str, Any]:
    """Run one command."""
    before = dict(os.environ)
    os.environ.update(message["variables"])
    out, err = io.StringIO(), io.StringIO()
    code, crash = 0, None
    started = time.monotonic()
    steps.arm(*message["fatal_step"])
    try:
        with redirect_stdout(out), redirect_stderr(err):
            run_command(message["command"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - it is reported, and fails the soak
        crash = traceback.format_exc()
    taken = steps.counts
    steps.arm("", 0)
    os.environ.clear()
    os.environ.update(before)
    said = {"out": out.getvalue(), "err": err.getvalue()}
    return {"code": code, "crash": crash, "steps": taken, "seconds": time.monotonic() - started, **said}


def work(home: Path) -> None:
    """Answer until the input ends."""
    with slow_file(home).open("a") as notes:
        faulthandler.register(signal.SIGUSR1, file=notes)
        _answer_all(home)


def _answer_all(home: Path) -> None:
    steps = Steps(home, sys.stderr.fileno())
    load_all()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), steps)), flush=True)


if __name__ == "__main__":
    work(Path(sys.argv[1]))
