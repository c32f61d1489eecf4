"""The doctor's checks of the machine and the settings: each returns findings with the problem and its fix.

The checks repair nothing and leave nothing behind. warehouse/monitor/health_files.py checks the files of the home.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from models.market.calendar import TradingCalendar
from warehouse.home.paths import Home

OK, WARNING, PROBLEM = "ok", "warning", "problem"
PYTHON_FROM, PYTHON_BEFORE = (3, 11), (3, 15)
# Known without time zone data: the New York open of a summer and of a winter day, UTC.
KNOWN_OPENS = {date(2026, 7, 1): 13.5, date(2026, 1, 2): 14.5}
LEAST_FREE_BYTES = 200_000_000  # a run writes replies, a log and spill files besides the published copy
_REQUIREMENT = re.compile(r"^([A-Za-z0-9_.-]+)\s*(?:\[[^]]*\])?\s*([^;]*)(?:;(.*))?$")


@dataclass(frozen=True)
class Finding:
    """The finding of one check."""

    check: str
    state: str  # ok, warning or problem
    what: str
    mend: str | None = None


def python_version() -> Iterator[Finding]:
    """Whether this Python is supported."""
    running = sys.version_info[:2]
    shown = f"Python {sys.version.split()[0]}"
    if PYTHON_FROM <= running < PYTHON_BEFORE:
        yield Finding("python", OK, shown)
    else:
        yield Finding("python", PROBLEM, f"{shown} is not supported", "install Python 3.11 to 3.14, then `make clean demo`")


def package_versions() -> Iterator[Finding]:
    """Whether the installed libraries meet the requirements of this version."""
    try:
        requirements = requires("strikehouse") or []
    except PackageNotFoundError:
        yield Finding("packages", WARNING, "Strikehouse is not installed here, so its libraries cannot be compared", "run `make demo` once")
        return
    wrong = [text for one in requirements if (text := _wrong_version(one)) is not None]
    if wrong:
        yield Finding("packages", PROBLEM, "; ".join(wrong), "`make clean demo` installs the versions of requirements.lock")
    else:
        shown = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "polars", "prefect", "fastapi"))
        yield Finding("packages", OK, f"{len(requirements)} libraries as required ({shown})")


def _wrong_version(requirement: str) -> str | None:
    """Why an installed library does not meet a requirement such as `duckdb<3,>=1.5.5`."""
    parts = _REQUIREMENT.match(requirement)
    if parts is None or (parts[3] and "extra" in parts[3]):
        return None
    name, ranges = parts[1], parts[2].strip()
    try:
        installed = version(name)
    except PackageNotFoundError:
        return f"{name} is missing"
    for sign, bound in re.findall(r"(>=|<=|==|!=|<|>)\s*([0-9.]+)", ranges):
        have, need = _numbers(installed), _numbers(bound)
        holds = {">=": have >= need, "<=": have <= need, "==": have == need, "!=": have != need, "<": have < need, ">": have > need}
        if not holds[sign]:
            return f"{name} is {installed}, not {ranges}"
    return None


def _numbers(text: str) -> tuple[int, ...]:
    """1.5.0 → (1, 5): the leading numbers, without trailing zeros."""
    numbers = [int(part) for part in re.findall(r"\d+", re.split(r"[a-z+-]", text, maxsplit=1)[0])]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def time_zones() -> Iterator[Finding]:
    """Whether time zone data exist and are correct for two known days."""
    remedy = "install the system's time zone data (`apt-get install tzdata`)"
    try:
        zone = ZoneInfo("America/New_York")
    except (ZoneInfoNotFoundError, OSError) as error:
        yield Finding("time zones", PROBLEM, f"America/New_York is not known ({error})", remedy)
        return
    for day, hours in KNOWN_OPENS.items():
        opens = datetime(day.year, day.month, day.day, 9, 30, tzinfo=zone).astimezone(UTC)
        if opens.hour + opens.minute / 60 != hours:
            yield Finding("time zones", PROBLEM, f"the New York open of {day} comes out as {opens:%H:%M} UTC", remedy)
            return
    yield Finding("time zones", OK, "New York is 4 hours behind UTC in summer and 5 in winter")


def calendar_reach(calendar: TradingCalendar, now: datetime) -> Iterator[Finding]:
    """Whether the US sessions of the next year are known."""
    last = max(calendar.sessions["session_date"].to_list(), default=None)
    needed = (now + timedelta(days=365)).date()
    if last is not None and last >= needed - timedelta(days=5):  # the last day of a year may not be a session
        yield Finding("calendar", OK, f"US sessions are known to {last}")
    else:
        remedy = "update Strikehouse, then move work.duckdb away and run `strikehouse rebuild`"
        yield Finding("calendar", PROBLEM, f"US sessions are known to {last} only, not to {needed}", remedy)


def home_writable(home: Home) -> Iterator[Finding]:
    """Whether runs can write into the home; a file is created there and removed."""
    folder = next(path for path in (home.root, *home.root.parents) if path.exists())
    remedy = "change its owner or mode, or point STRIKEHOUSE_HOME to a folder that can be written"
    if not folder.is_dir():
        yield Finding("home", PROBLEM, f"{folder} is a file, not a folder", "point STRIKEHOUSE_HOME to a folder")
        return
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor.") as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        yield Finding("home", PROBLEM, f"{folder} cannot be written ({error.strerror or error})", remedy)
        return
    if folder != home.root:
        yield Finding("home", WARNING, f"{home.root} is not there yet", "the first `strikehouse snapshot` or `strikehouse demo` makes it")
    else:
        yield Finding("home", OK, f"{home.root} can be written")


def free_disk(home: Home) -> Iterator[Finding]:
    """Whether a publication's copy of the work file fits on the disk."""
    folder: Path = next(path for path in (home.root, *home.root.parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    size = home.work_file.stat().st_size if home.work_file.exists() else 0
    needed = size + LEAST_FREE_BYTES
    shown = f"{free / 1e9:.1f} GB free; the next run needs {needed / 1e9:.1f} GB"
    remedy = "free some space, keep fewer generations (storage.generations_kept), or move the home"
    state = PROBLEM if free < needed else WARNING if free < 3 * needed else OK
    yield Finding("disk", state, shown, None if state == OK else remedy)
