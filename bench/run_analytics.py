"""Models and marts of one archived `_SPX` reply, stage by stage, in the process and the order of a run. Prints seconds as JSON."""

import time

STARTED = time.perf_counter()

import sys  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import orjson  # noqa: E402

from warehouse.home.lean_imports import lean_start  # noqa: E402

lean_start()

from flows.run.parse import venue_rows  # noqa: E402
from flows.run.replay import archived_readings  # noqa: E402
from models import snapshot_analytics  # noqa: E402
from warehouse.archive.runs import read_run, run_ids  # noqa: E402
from warehouse.home.paths import Home  # noqa: E402
from warehouse.load import compute  # noqa: E402
from warehouse.settings import Settings  # noqa: E402
from warehouse.storage.work_file import open_work, read_calendar  # noqa: E402

seconds: Counter[str] = Counter()


def timed(module: Any, name: str, stage: str) -> None:
    """Count the time that a function of a module takes, wherever the module calls it."""
    function: Callable[..., Any] = getattr(module, name)

    def call(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            seconds[stage] += time.perf_counter() - started

    setattr(module, name, call)


for module, function, part in (
    (compute, "classify_expiries", "calendar_s"),
    (compute, "describe", "describe_s"),
    (compute, "greeks_of", "greeks_s"),
    (compute, "with_implied_spots", "describe_s"),
    (snapshot_analytics, "strike_lines", "smile_s"),
    (snapshot_analytics, "expiry_smile", "smile_s"),
    (snapshot_analytics, "gamma_ladder", "ladder_s"),
    (snapshot_analytics, "implied_density", "density_s"),
    (compute, "run_checks", "checks_s"),
):
    timed(module, function, part)

home, settings = Home(Path(sys.argv[1])), Settings()
imported = time.perf_counter()
with open_work(home, settings, "bench") as con:
    calendar = read_calendar(con)
(run_id,) = run_ids(home)
manifest = read_run(home, run_id)
readings = archived_readings(home, settings, manifest, "SPX", calendar)
rows = venue_rows("SPX", readings, run_id=run_id, origin="live", calendar=calendar, settings=settings)
assert rows is not None
parsed = time.perf_counter()
computed = compute.compute_snapshot(rows.venues, rows.quotes, calendar=calendar, settings=settings)
done = time.perf_counter()
models_s = sum(seconds[stage] for stage in ("calendar_s", "describe_s", "greeks_s", "smile_s", "ladder_s", "density_s"))
report = {
    "import_s": imported - STARTED,
    "parse_s": parsed - imported,
    **seconds,
    "models_s": models_s,
    # what is left: the relations of sql/, in a scratch database that is made for them, and their rows as frames
    "marts_s": done - parsed - models_s - seconds["checks_s"],
    "models_and_marts_s": done - parsed - seconds["checks_s"],
    "contracts": rows.quotes.height,
    "rows": sum(frame.height for name, frame in computed.tables.items() if name.startswith("marts.")),
}
print(orjson.dumps(report).decode())
