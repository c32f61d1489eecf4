"""The process that runs `strikehouse snapshot`, over and over, until it is killed; the next one is loading meanwhile."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from tests.commands import CHECKOUT, PYTHON, environment
from tests.soak.phases import ORDER, Traces
from tests.soak.plan import CLOCK, STEP, Kill, RunSpec
from tests.soak.steps import ARCHIVE, MAINTENANCE, PUBLICATION
from tests.soak.worker import slow_file
from warehouse.home.paths import Home

LONGEST_RUN_S = 120.0
USUAL_STEPS = {ARCHIVE: 60.0, PUBLICATION: 20.0, MAINTENANCE: 40.0}
USUAL_SECONDS = {"start": 0.03, "fetch": 0.5, "load": 0.8, "publish": 0.1, "close": 0.05, MAINTENANCE: 1.5}
SLOW_RUN_S = 15.0  # then the worker notes where it is
LEARNING = 0.1  # how much one run changes what is usual


@dataclass(frozen=True)
class Ending:
    """How one run ended."""

    code: int | None  # None: it was killed
    out: str
    err: str
    killed_in: str | None = None  # phase
    step: str | None = None  # the change to the disk that it did not make


class Job:
    """A worker process, and the next one, already loading."""

    def __init__(self, home: Home, variables: Mapping[str, str]) -> None:
        self.home = home
        self._environment = {**environment(home.root, **variables), "PYTHONPATH": str(CHECKOUT)}
        self._steps, self._seconds = dict(USUAL_STEPS), dict(USUAL_SECONDS)
        self._process, self._next = self._start(), self._start()
        self._await_ready()

    def close(self) -> None:
        """End both processes."""
        for process in (self._process, self._next):
            process.kill()
            process.communicate()

    @property
    def slow_notes(self) -> str:
        """Where runs were that took long."""
        return slow_file(self.home.root).read_text()

    def run(self, spec: RunSpec) -> Ending:
        """One run, to its end or until it is killed."""
        command = ["snapshot", *spec.underlyings, *(word for venue in spec.venues for word in ("--venue", venue)), "--no-prefect"]
        kill = spec.kill
        fatal = (kill.part, max(round(kill.share * self._steps[kill.part]), 1)) if kill and kill.by == STEP else ("", 0)
        before = Traces.of(self.home)
        message = {"command": command, "variables": dict(spec.variables), "fatal_step": fatal}
        _input(self._process).write(json.dumps(message) + "\n")
        _input(self._process).flush()
        if kill and kill.by == CLOCK:
            self._kill_by_clock(kill, before)
        return self._ending(before, is_killed=kill is not None)

    def maintain(self, at: datetime, kill: Kill | None = None) -> Ending:
        """Maintenance as if it were that time, to its end or until it is killed."""
        before = Traces.of(self.home)
        is_step = kill is not None and kill.by == STEP
        fatal = max(round(kill.share * self._steps[MAINTENANCE]), 1) if kill is not None and is_step else 0
        message = {"command": ["maintain-at", at.isoformat()], "variables": {}, "fatal_step": (MAINTENANCE, fatal)}
        _input(self._process).write(json.dumps(message) + "\n")
        _input(self._process).flush()
        if kill is not None and not is_step and not self._has_answered(kill.share * self._seconds[MAINTENANCE]):
            self._process.kill()
        return self._ending(before, is_killed=True, is_run=False)

    def _kill_by_clock(self, kill: Kill, before: Traces) -> None:
        delay = kill.share * self._seconds[kill.part]
        if before.wait_for(kill.part, is_over=lambda: self._has_answered(0)) and not self._has_answered(delay):
            self._process.kill()

    def _ending(self, before: Traces, *, is_killed: bool, is_run: bool = True) -> Ending:
        if not is_killed:
            self._watch(before)
        if not self._has_answered(SLOW_RUN_S):
            self._process.send_signal(signal.SIGUSR1)
            assert self._has_answered(LONGEST_RUN_S), f"a run took longer than {LONGEST_RUN_S:g} s; it was at\n{self.slow_notes}"
        line = _output(self._process).readline()
        if line:
            message: dict[str, Any] = json.loads(line)
            assert message["crash"] is None, message["crash"]
            if not is_killed or not is_run:
                for part, steps in message["steps"].items():
                    self._steps[part] += LEARNING * (steps - self._steps[part])
            return Ending(message["code"], message["out"], message["err"])
        _, words = self._process.communicate()
        assert self._process.returncode == -9, words
        phase = before.phase() if is_run else MAINTENANCE
        self._process, self._next = self._next, self._start()
        self._await_ready()
        return Ending(None, "", "", phase, words.strip() or None)

    def _watch(self, before: Traces) -> None:
        """Learn how long each phase of a run takes that nobody kills."""
        phase, since = "start", time.monotonic()
        deadline = time.monotonic() + SLOW_RUN_S
        while not self._has_answered(0.002) and time.monotonic() < deadline:
            now = before.phase()
            if ORDER.index(now) > ORDER.index(phase):
                self._seconds[phase] += LEARNING * (time.monotonic() - since - self._seconds[phase])
                phase, since = now, time.monotonic()

    def _has_answered(self, wait_s: float) -> bool:
        return bool(select.select([_output(self._process)], [], [], wait_s)[0])

    def _await_ready(self) -> None:
        line = _output(self._process).readline()
        assert line == "ready\n", self._process.communicate()[1]

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*PYTHON, "-m", "tests.soak.worker", str(self.home.root)],
            cwd=self.home.root.parent,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _input(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdin is not None
    return process.stdin


def _output(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout
