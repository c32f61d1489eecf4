"""Import a folder of Cboe downloads into a fresh home, in parallel processes. Prints seconds, contracts and the largest process as JSON."""

import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import orjson

from warehouse.lean_imports import lean_start

if __name__ == "__main__":  # workers import this module again
    lean_start()
    from flows.imports.archive import Reading
    from flows.imports.registry import importer
    from flows.imports.run import import_files
    from warehouse.home import Home
    from warehouse.query import query
    from warehouse.settings import Settings

    home = Home(Path(sys.argv[1]))
    started = time.perf_counter()
    import_files(
        home,
        Settings(),
        Reading(importer("cboe-csv", None), None),
        [Path(sys.argv[2])],
        clock=lambda: datetime.now(UTC),
        progress=lambda _done, _all: None,
    )
    seconds = time.perf_counter() - started
    contracts = query(home, "select count(*) as contracts from core.option_quotes").item()
    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    report = {"import_s": seconds, "contracts": contracts, "largest_process_mib": largest / 1024}
    print(orjson.dumps(report).decode())
