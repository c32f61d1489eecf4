"""Import a folder of Cboe downloads into a fresh home, in parallel processes. Prints seconds, contracts and the largest process as JSON."""

import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import orjson

from warehouse.home.lean_imports import lean_start

if __name__ == "__main__":  # workers import this module again
    from flows.history.workers import workers_for_files
    from warehouse.home.paths import Home
    from warehouse.settings import Settings

    home, folder, started = Home(Path(sys.argv[1])), Path(sys.argv[2]), time.perf_counter()
    with workers_for_files(home, Settings(), [folder]) as workers:  # as the command does
        lean_start()
        from flows.formats.registry import importer
        from flows.history.imports.archive import Reading
        from flows.history.imports.run import import_files

        import_files(
            home,
            Settings(),
            Reading(importer("cboe-csv", None), None),
            [folder],
            clock=lambda: datetime.now(UTC),
            progress=lambda _done, _all: None,
            workers=workers,
        )
    seconds = time.perf_counter() - started
    from warehouse.read.query import query

    contracts = query(home, "select count(*) as contracts from core.option_quotes").item()
    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    report = {"import_s": seconds, "contracts": contracts, "largest_process_mib": largest / 1024}
    print(orjson.dumps(report).decode())
