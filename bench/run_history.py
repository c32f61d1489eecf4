"""Rebuild a home from its archive, in parallel processes. Prints seconds, contracts and the largest process as JSON."""

import resource
import sys
import time
from pathlib import Path

import orjson

from warehouse.home.lean_imports import lean_start

if __name__ == "__main__":  # workers import this module again
    from flows.history.workers import workers_for_all_runs
    from warehouse.home.paths import Home
    from warehouse.settings import Settings

    home, started = Home(Path(sys.argv[1])), time.perf_counter()
    with workers_for_all_runs(home, Settings()) as workers:  # as the command does
        lean_start()
        from flows.history.rebuild import EVERY_SESSION, rebuild

        rebuild(home, Settings(), sessions=EVERY_SESSION, progress=lambda _run: None, workers=workers)
    seconds = time.perf_counter() - started
    from warehouse.read.query import query

    contracts = query(home, "select count(*) as contracts from core.option_quotes").item()
    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    report = {"rebuild_s": seconds, "contracts": contracts, "largest_process_mib": largest / 1024}
    print(orjson.dumps(report).decode())
