"""What all tests share: no setting of this machine leaks in, homes of their own, and where real recordings lie, if they are here."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from hypothesis import settings

from models.market.calendar import TradingCalendar
from tests import small_warehouse
from tests.chains import SETTINGS
from tests.commands import strikehouse
from warehouse.home.paths import Home
from warehouse.publish.generations import publish
from warehouse.settings import Settings
from warehouse.storage.work_file import open_work

CHECKOUT = Path(__file__).resolve().parent.parent
RECORDINGS = Path(os.environ.get("STRIKEHOUSE_RECORDINGS") or CHECKOUT.parent / "shared" / "recordings")
# Quick ones first, servers last; a folder that is not named stands between.
ORDER = ("tests/models", "tests/warehouse", "tests/sql", "tests/flows/sources", "tests/flows", "tests/acceptance")

# Derandomised: a failure on one machine is a failure on all. No deadline: the first call pays for imports, and others may use the machine.
settings.register_profile("strikehouse", derandomize=True, deadline=None, max_examples=60, database=None)
settings.load_profile("strikehouse")


class Demo(NamedTuple):
    """What two demo runs left behind."""

    home: Home
    runs: tuple[tuple[int, str, str], ...]  # exit code, standard output, standard error


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def sort_key(item: pytest.Item) -> tuple[bool, int]:
        folder = next((index for index, name in enumerate(ORDER) if item.nodeid.startswith(f"{name}/")), 0)
        return item.get_closest_marker("prefect") is not None, folder

    items.sort(key=sort_key)


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("STRIKEHOUSE_")]:
        monkeypatch.delenv(variable)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of recorded replies of real venues; tests that need it are skipped without it."""
    if not RECORDINGS.is_dir():
        pytest.skip(f"no recordings of real venues in {RECORDINGS.name}: set STRIKEHOUSE_RECORDINGS to their folder")
    return RECORDINGS


@pytest.fixture(scope="session")
def calendar() -> TradingCalendar:
    """Sessions of the US market."""
    return TradingCalendar.new_york()


Once = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """`once(name, fill)` is a folder that one worker fills for all; the others wait until it is whole."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared

    def filled(name: str, fill: Callable[[Path], None]) -> Path:
        folder, is_whole = shared / name, shared / f"{name}.whole"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_whole.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed half way
                folder.mkdir()
                fill(folder)
                is_whole.touch()
        return folder

    return filled


@pytest.fixture(scope="session")
def empty_home(once: Once) -> Home:
    """A home whose work file has its tables and no rows; to be copied, not used."""

    def fill(folder: Path) -> None:
        with open_work(Home(folder / "home"), SETTINGS, "prepare"):
            pass

    return Home(once("empty", fill) / "home")


@pytest.fixture
def home(empty_home: Home, tmp_path: Path) -> Home:
    """An empty home of the test's own."""
    return Home(Path(shutil.copytree(empty_home.root, tmp_path / "home")))


@pytest.fixture
def settings() -> Settings:
    """The defaults, on one thread."""
    return SETTINGS


@pytest.fixture
def work(home: Home, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The work file of that home, open."""
    with open_work(home, settings, "test") as con:
        yield con


@pytest.fixture(scope="session")
def stocked_home(once: Once, empty_home: Home, calendar: TradingCalendar) -> Home:
    """A home with the small warehouse loaded, not published; to be copied, not used."""

    def fill(folder: Path) -> None:
        shutil.copytree(empty_home.root, folder / "home")
        with open_work(Home(folder / "home"), SETTINGS, "fill") as con:
            small_warehouse.fill(con, calendar, SETTINGS)

    return Home(once("stocked", fill) / "home")


@pytest.fixture(scope="session")
def published_home(once: Once, stocked_home: Home) -> Home:
    """The small warehouse, published; to be read."""

    def fill(folder: Path) -> None:
        shutil.copytree(stocked_home.root, folder / "home")
        with open_work(Home(folder / "home"), SETTINGS, "publish") as con:
            publish(con, Home(folder / "home"), SETTINGS, run_id=None, now=datetime(2026, 3, 3, tzinfo=UTC), code_version="0")

    return Home(once("published", fill) / "home")


@pytest.fixture
def stocked(stocked_home: Home, tmp_path: Path) -> Home:
    """The small warehouse, to be changed."""
    return Home(Path(shutil.copytree(stocked_home.root, tmp_path / "home")))


@pytest.fixture(scope="session")
def warehouse(stocked_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The small warehouse, open; to be read."""
    home = Home(Path(shutil.copytree(stocked_home.root, tmp_path_factory.mktemp("warehouse") / "home")))
    with open_work(home, SETTINGS, "read") as con:
        yield con


@pytest.fixture
def now() -> datetime:
    """When things are published in tests."""
    return datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def demo(once: Once) -> Demo:
    """A home after two demo runs; to be read, or copied."""

    def fill(folder: Path) -> None:
        runs = [strikehouse(folder / "home", "demo", "--no-prefect") for _ in range(2)]
        (folder / "said.json").write_text(json.dumps([[run.returncode, run.stdout, run.stderr] for run in runs]))

    folder = once("demo", fill)
    said = json.loads((folder / "said.json").read_text())
    return Demo(Home(folder / "home"), tuple((code, out, err) for code, out, err in said))


@pytest.fixture
def demo_copy(demo: Demo, tmp_path: Path) -> Home:
    """The demo's home, to be changed."""
    subprocess.run(["cp", "-a", demo.home.root, tmp_path / "home"], check=True)  # keeps the hard link to the live generation
    return Home(tmp_path / "home")
