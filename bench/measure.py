"""Time whole processes: wall clock, processor time and peak memory as the operating system accounts for them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import orjson

CHECKOUT = Path(__file__).resolve().parent.parent
AS_INSTALLED = CHECKOUT / "bench" / "as_installed"


@dataclass(frozen=True)
class Measured:
    """Medians over the runs of one command."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    reported: dict[str, float]  # what the command printed as JSON


def measure(
    module: str, arguments: list[str], *, runs: int, prepare: Callable[[], None] = lambda: None, with_development: bool = False
) -> Measured:
    """Run `python -m module …` once to warm up and `runs` times to count; `prepare` goes before each run, outside the clock.

    The processes see what a normal installation has, or what development installs too.
    """
    # compiled modules are kept, as they are wherever Python is not told otherwise
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if not with_development:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(AS_INSTALLED), os.environ.get("PYTHONPATH"))))
    results = []
    for number in range(runs + 1):
        prepare()
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE)
        output = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{module} ended with {process.returncode}")
        if number:
            results.append((wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, orjson.loads(output)))
    reported = {name: median(one[3][name] for one in results) for name in results[0][3]}
    return Measured(*(median(one[index] for one in results) for index in range(3)), reported)
