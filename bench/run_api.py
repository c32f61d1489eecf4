"""`python -m bench.run_api FOLDER [SECONDS [SESSIONS]]`: the HTTP API over a year of twelve underlyings, under load by wrk, on loopback.

FOLDER keeps the home, which is built when it is not there (see bench/year.py). The server has one core, wrk the others. Printed are: answers
from the cache beside a bare endpoint of the same stack; answers to questions that nobody asked before; and a run during which ten
generations are published. Server times are those of the access log. Skipped without wrk.
"""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from bench.api_server import COMMAND, LOAD_CORES, Server, environment, running
from bench.measure import CHECKOUT
from bench.year import SESSIONS, year_home
from warehouse.read.query import query

ON_LOAD_CORES = ("taskset", "-c", ",".join(map(str, LOAD_CORES)))
CONNECTIONS = 8
PUBLICATIONS = 10
QUESTIONS = 200  # of each kind, none asked before
TO_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
# what is asked of the newest snapshot, and of any: {u} underlying, {d} its date, {at} the instant of the snapshot
NEWEST = {
    "0DTE max pain": "/v1/maxpain/SPY?expiration={d}",
    "key levels": "/v1/exposure/levels/SPY",
    "summary": "/v1/exposure/summary/SPY",
    "zero-dte": "/v1/exposure/zero-dte/SPY",
    "v2 levels": "/v2/gex/levels?symbol=SPY",
    "v2 0DTE max pain": "/v2/gex/max-pain?symbol=SPY&expiry=0dte",
}
ANY = {
    "0DTE max pain": "/v1/maxpain/{u}?expiration={d}&at={at}Z",
    "key levels": "/v1/exposure/levels/{u}?at={at}Z",
    "summary": "/v1/exposure/summary/{u}?at={at}Z",
    "zero-dte": "/v1/exposure/zero-dte/{u}?at={at}Z",
    "v2 levels": "/v2/gex/levels?symbol={u}&as_of={at}",
    "v2 0DTE max pain": "/v2/gex/max-pain?symbol={u}&expiry=0dte&as_of={at}",
}
WITH_0DTE = """
select underlying, captured_at, local_date
from core.snapshots
where snapshot_id in (select snapshot_id from core.series where is_zero_dte)
order by md5(snapshot_id)
"""
PUBLISH = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from warehouse.home.paths import Home
from warehouse.publish.generations import publish
from warehouse.settings import Settings
from warehouse.storage.work_file import open_work
home = Home(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    with open_work(home, Settings(), "bench") as con:
        print(publish(con, home, Settings(), run_id=None, now=datetime.now(UTC), code_version="bench"), flush=True)
"""


@dataclass(frozen=True)
class Load:
    """What wrk says of a run."""

    rate: float  # requests a second
    median_ms: float
    p99_ms: float
    requests: int
    failures: str


def main(folder: Path, seconds: int, sessions: int) -> None:
    """Build the home if need be, and print three tables."""
    wrk = shutil.which("wrk")
    if wrk is None:
        print("No wrk on this machine: the API is not measured.")
        return
    home = year_home(folder, sessions)
    snapshots = query(home, WITH_0DTE).rows()
    stored, contracts = query(home, "select count(distinct snapshot_id), count(*) from core.option_quotes").row(0)
    day = max(row[2] for row in snapshots)
    stack = ", ".join(f"{name}{'' if find_spec(name) else ' (not installed)'}" for name in ("uvicorn", "uvloop", "httptools"))
    print(f"{stored:,} snapshots, {contracts:,} contracts; {stack}; server on one core, wrk with {CONNECTIONS} connections on another\n")
    with tempfile.TemporaryDirectory() as logs:
        log = Path(logs) / "access.log"
        print("| from the cache | requests/s | median ms | p99 ms | failures | server ms, median | requests per processor second |")
        print("|---|---|---|---|---|---|---|")
        with running([sys.executable, "-m", "bench.run_api_bare"], "/levels", folder, log, {}) as server:
            cached(wrk, server, "bare endpoint", "/levels", seconds, is_logged=False)
        with running([*COMMAND, "api"], "/health", folder, log, {}) as server:
            for name, path in NEWEST.items():
                cached(wrk, server, name, path.format(d=day), seconds)
            print("\n| never asked before | questions | server ms, median | p95 | failures |\n|---|---|---|---|---|")
            for name, path in ANY.items():
                uncached(server, name, [path.format(u=u, d=d, at=at.isoformat()) for u, at, d in snapshots[:QUESTIONS]])
            published(wrk, server, folder, NEWEST["0DTE max pain"].format(d=day))


def cached(wrk: str, server: Server, name: str, path: str, seconds: int, *, is_logged: bool = True) -> None:
    """Print a row of the first table; the first question is asked before."""
    ask(server, [path])
    since, used = server.logged, server.processor_s
    load = loaded(wrk, server.url + path, seconds)
    used = server.processor_s - used
    hits = [float(str(line["ms"])) for line in server.lines(since) if line["cache"] == "hit"] if is_logged else []
    spent = f"{median(hits):.3f}" if hits else "–"
    figures = f"{load.rate:,.0f} | {load.median_ms:.2f} | {load.p99_ms:.2f} | {load.failures} | {spent} | {load.requests / used:,.0f}"
    print(f"| {name} | {figures} |", flush=True)


def uncached(server: Server, name: str, paths: list[str]) -> None:
    """Print a row of the second table: one after the other."""
    since = server.logged
    statuses = ask(server, paths)
    times = sorted(float(str(line["ms"])) for line in server.lines(since) if line["cache"] == "miss")
    failures = ", ".join(f"{status}: {count}" for status, count in statuses.items() if status != 200) or "0"
    print(f"| {name} | {len(times)} | {median(times):.1f} | {times[int(0.95 * len(times))]:.1f} | {failures} |", flush=True)


def published(wrk: str, server: Server, folder: Path, path: str) -> None:
    """Print what a load saw while ten generations were published, each of which must be served as soon as it is there."""
    late: list[str] = []
    numbers: list[int] = []

    def publish() -> None:
        command = ["nice", "-n", "19", *ON_LOAD_CORES, sys.executable, "-c", PUBLISH, str(folder), str(PUBLICATIONS)]
        with subprocess.Popen(command, cwd=CHECKOUT, env=environment(folder, {}), stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                numbers.append(int(line))
                served = generation_of(server, path)
                if served < int(line):
                    late.append(f"{served} after {line.strip()}")

    since = server.logged
    load, lasted = while_doing(wrk, server.url + path, publish)
    lines = [line for line in server.lines(since) if line["generation"]]
    caches = Counter(str(line["cache"]) for line in lines)
    times = sorted(float(str(line["ms"])) for line in lines)
    wrong = sum(line["status"] != 200 for line in lines)
    print(f"\n{len(numbers)} generations published in {lasted:.0f} s: {load.requests:,} requests, {load.rate:,.0f} a second, ", end="")
    print(f"median {load.median_ms:.2f} ms, p99 {load.p99_ms:.2f} ms, of the server {times[int(0.99 * len(times))]:.2f} ms; ", end="")
    print(f"failures {load.failures}, other than 200 {wrong}; ", end="")
    print(f"made {caches['miss']}, from the cache {caches['hit']:,}; answers of an older generation after a publication: {len(late)}")


def while_doing(wrk: str, url: str, work: Callable[[], None]) -> tuple[Load, float]:
    """wrk from before some work until after it; and how long the work took. wrk is told to stop as by a terminal."""
    with start(wrk, url, 3600) as process:
        time.sleep(1)
        began = time.monotonic()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        lasted = time.monotonic() - began
        time.sleep(1)
        process.send_signal(2)
        said = process.communicate(timeout=60)[0]
    return parsed(said), lasted


def loaded(wrk: str, url: str, seconds: int) -> Load:
    """wrk for so many seconds."""
    with start(wrk, url, seconds) as process:
        return parsed(process.communicate(timeout=seconds + 60)[0])


def start(wrk: str, url: str, seconds: int) -> subprocess.Popen[str]:
    """wrk on the cores that the server has not."""
    command = [*ON_LOAD_CORES, wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "--timeout", "30s", url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def parsed(said: str) -> Load:
    """The figures in what wrk printed."""
    rate, requests = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"(\d+) requests in", said)
    times = [re.search(rf"{part}%\s+([\d.]+)(us|ms|s)", said) for part in (50, 99)]
    middle, late = (float(one[1]) * TO_MS[one[2]] if one else float("nan") for one in times)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: (.*)", said)
    failures = (refused[1] if refused else "0") + (f", {broken[1]}" if broken else "")
    return Load(float(rate[1]) if rate else 0.0, middle, late, int(requests[1]) if requests else 0, failures)


def ask(server: Server, paths: list[str]) -> Counter[int]:
    """Ask one after the other on one connection; statuses."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    statuses: Counter[int] = Counter()
    for path in paths:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        statuses[answer.status] += 1
    connection.close()
    return statuses


def generation_of(server: Server, path: str) -> int:
    """The generation that answers now."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request("GET", path)
    answer: Any = connection.getresponse()
    answer.read()
    connection.close()
    return int(answer.headers["X-Strikehouse-Generation"] or 0)


if __name__ == "__main__":  # workers of the rebuild import this module again
    given = [int(one) for one in sys.argv[2:]]
    main(Path(sys.argv[1]).absolute(), *given, *(10, SESSIONS)[len(given) :])
