"""A server process of the API for benchmarks: on a core of its own, with its access log, and what it has used of the processor."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.measure import CHECKOUT

COMMAND = [sys.executable, "-c", "from flows.cli import main; main()"]
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORES = CORES[0], CORES[1:] or CORES


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def processor_s(self) -> float:
        """User and system seconds so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def lines(self, since: int = 0) -> list[dict[str, object]]:
        """Lines of the access log from a place of the file on."""
        time.sleep(0.3)  # they are written a moment later
        with self.log.open("rb") as file:
            file.seek(since)
            return [orjson.loads(line) for line in file if line.startswith(b"{")]

    @property
    def logged(self) -> int:
        """Where the log ends now."""
        time.sleep(0.3)
        return self.log.stat().st_size


def environment(home: Path, variables: dict[str, str]) -> dict[str, str]:
    """Of a process on this home."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STRIKEHOUSE_")}
    path = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
    return inherited | {"STRIKEHOUSE_HOME": str(home), "PYTHONPATH": path, **variables}


@contextmanager
def running(command: list[str], path: str, home: Path, log: Path, variables: dict[str, str]) -> Iterator[Server]:
    """A server that answers at `path`, pinned to one core; `--port` is added to its command. It is stopped at the end."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as errors:
        process = subprocess.Popen([*command, "--port", str(port)], cwd=CHECKOUT, env=environment(home, variables), stderr=errors)
    os.sched_setaffinity(process.pid, {SERVER_CORE})
    try:
        until = time.monotonic() + 120
        while not answers(url + path):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"the server does not start: {log.read_text()[-500:]}")
            time.sleep(0.1)
        yield Server(url, process, log)
    finally:
        process.terminate()
        process.wait(timeout=60)


def answers(url: str) -> bool:
    """Whether something answers 200 there."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
