"""What a demo run needs: the venue server as a process of its own, settings that point to it, a home, and the plan.

The synthetic market is fetched over HTTP like the real venues. Each run adds its next session.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import orjson

from flows.run.plan import Plan, make_plan
from models.errors import StrikehouseError, UsageError
from warehouse.archive.runs import read_runs
from warehouse.home.paths import Home
from warehouse.settings import Settings, Sources

UNDERLYINGS = {"SPX": "cboe", "SPY": "cboe", "BTC": "deribit", "ETH": "deribit"}
DEFAULT_HOME = Path("data-demo")


@contextmanager
def demo_venues(session: int) -> Iterator[dict[str, str]]:
    """Serve one session of the synthetic market; gives venue → base URL."""
    # Without -P a folder `flows` in the user's working directory would hide ours; with this process's path the server runs the same code.
    command = [sys.executable, "-P", "-m", "flows.demo.venues", "--session", str(session), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folder for folder in sys.path if Path(folder).is_absolute())}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as server:
        try:
            line = server.stdout.readline() if server.stdout else b""
            if not line:
                raise StrikehouseError("The demo's venue server did not start: run `python -m flows.demo.venues --session 1` and look.")
            yield orjson.loads(line)
        finally:
            server.terminate()


def demo_settings(settings: Settings, urls: dict[str, str]) -> Settings:
    """The settings with the venues' addresses replaced, and without the politeness that real venues need."""
    sources = {
        venue: getattr(settings.sources, venue).model_copy(update={"base_url": url, "max_requests_per_second": 50.0})
        for venue, url in urls.items()
        if venue in Sources.model_fields
    }
    return settings.model_copy(update={"sources": settings.sources.model_copy(update=sources)})


def demo_home(settings: Settings) -> Home:
    """Where the demo lives: STRIKEHOUSE_HOME where it is set, else a folder of its own. Raises `UsageError` for a home with real data."""
    home = Home((settings.home if "home" in settings.model_fields_set else DEFAULT_HOME).expanduser().absolute())
    home.prepare()
    if any(not manifest.get("is_synthetic") for manifest in read_runs(home)):
        raise UsageError(f"{home.root} holds real snapshots, the demo's are synthetic: set STRIKEHOUSE_HOME to another folder for it.")
    return home


def demo_plan(settings: Settings, now: datetime) -> Plan:
    """The plan of a demo run."""
    plans = [make_plan([underlying], [venue], settings, now) for underlying, venue in UNDERLYINGS.items()]
    return Plan(plans[0].run_id, now, tuple(ask for plan in plans for ask in plan.asks), is_synthetic=True)


def next_session(home: Home) -> int:
    """The session that the next demo run adds: one more than the runs of this home."""
    return sum(1 for _ in read_runs(home)) + 1
