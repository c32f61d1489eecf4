"""From archived bytes to published tables: what one `_SPX` run does after its fetch, without Prefect. Prints seconds as JSON."""

import time

STARTED = time.perf_counter()

import sys  # noqa: E402
from datetime import UTC, datetime  # noqa: E402
from pathlib import Path  # noqa: E402

import orjson  # noqa: E402

from warehouse.home.lean_imports import lean_start  # noqa: E402

lean_start()

from flows.run.replay import load_pending_runs  # noqa: E402
from warehouse.home.paths import Home  # noqa: E402
from warehouse.publish.generations import publish  # noqa: E402
from warehouse.settings import Settings  # noqa: E402
from warehouse.storage.work_file import open_work, read_calendar  # noqa: E402

home, settings = Home(Path(sys.argv[1])), Settings()
imported = time.perf_counter()
with open_work(home, settings, "bench") as con:
    load_pending_runs(con, home, settings, but="", calendar=read_calendar(con))
    loaded = time.perf_counter()
    publish(con, home, settings, run_id=None, now=datetime.now(UTC), code_version="bench")
    contracts = con.execute("select count(*) from core.option_quotes").fetchall()[0][0]
published = time.perf_counter()
report = {"import_s": imported - STARTED, "load_s": loaded - imported, "publish_s": published - loaded, "contracts": contracts}
print(orjson.dumps(report).decode())
