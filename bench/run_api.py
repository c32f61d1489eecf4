"""`python -m bench.run_api [SECONDS]`: the HTTP API under load by wrk, on loopback, over a demo made for it. Skipped without wrk.

A server process of its own; for each path a warm-up and a bounded run. Cached answers first, then the same without a cache.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench.measure import CHECKOUT

PATHS = (
    "/v1/exposure/levels/SPX",
    "/v1/exposure/summary/SPX",
    "/v1/expected-move/SPX",
    "/v1/exposure/gex/SPX",
    "/v1/maxpain/SPX",
    "/v1/maxpain/SPX?expiration=2026-12-18",
)
CONNECTIONS = 8
COMMAND = [sys.executable, "-c", "from flows.cli import main; main()"]


def main(seconds: int) -> None:
    """Print one table: requests a second and latencies, with and without the cache."""
    wrk = shutil.which("wrk")
    if wrk is None:
        print("No wrk on this machine: the API is not measured.")
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        run(home, "demo", "--no-prefect")
        print(f"wrk, {CONNECTIONS} connections, {seconds} s for each path, server and load on one machine:\n")
        print("| path | cache | requests/s | p50 ms | p99 ms | errors |\n|---|---|---|---|---|---|")
        for cache, variables in (("on", {}), ("off", {"STRIKEHOUSE_API__CACHE_MB": "0"})):
            with server(home, variables) as url:
                for path in PATHS:
                    print(f"| `{path}` | {cache} | {load(wrk, url + path, seconds)} |", flush=True)


def environment(home: Path, variables: dict[str, str]) -> dict[str, str]:
    """Of a process on this home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STRIKEHOUSE_")}
    return kept | {"STRIKEHOUSE_HOME": str(home), "PYTHONPATH": str(CHECKOUT), **variables}


def run(home: Path, *arguments: str) -> None:
    """Run a command to its end."""
    subprocess.run([*COMMAND, *arguments], cwd=home.parent, env=environment(home, {}), check=True, stdout=subprocess.DEVNULL)


@contextmanager
def server(home: Path, variables: dict[str, str]) -> Iterator[str]:
    """The base URL of a server process; it is stopped at the end."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [*COMMAND, "api", "--port", str(port)], cwd=home.parent, env=environment(home, variables), stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 60
        while not answers(f"{url}/health"):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit("the server does not start")
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def answers(url: str) -> bool:
    """Whether something answers 200 there."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def load(wrk: str, url: str, seconds: int) -> str:
    """Cells of one row; a path that does not answer 200 has no row."""
    if not answers(url):
        return "does not answer | | |"
    said = subprocess.run(
        [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "--timeout", "30s", url], check=True, capture_output=True, text=True
    ).stdout
    if "\n  0 requests in" in said:
        return f"none in {seconds} s | | |"
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    percentiles = [re.search(rf"{part}%\s+([\d.]+)(us|ms|s)", said) for part in (50, 99)]
    to_ms = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    times = " | ".join(f"{float(one[1]) * to_ms[one[2]]:.1f}" if one else "-" for one in percentiles)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: (.*)", said)
    return f"{float(rate[1]) if rate else 0:,.0f} | {times} | {(failed[1] if failed else '0') + (f', {broken[1]}' if broken else '')}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
