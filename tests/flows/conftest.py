"""The command line in this process, and venues to ask: one server for all tests of a worker."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main
from flows.demo.venues import Double, serve
from flows.run.plan import make_plan
from flows.run.steps import run_snapshot
from tests.chains import SETTINGS
from tests.conftest import Once
from tests.flows.alert_hook import Hook
from warehouse.home.paths import Home
from warehouse.settings import DeribitSettings, Sources


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Cli:
    """`cli("show", "latest.max_pain")` runs a command on the test's home."""

    def __init__(self, home: Home, capture: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self._capture, self._monkeypatch = home, capture, monkeypatch
        self.use(home)

    def use(self, home: Home) -> None:
        """From now on, another home."""
        self.home = home
        self.set(STRIKEHOUSE_HOME=str(home.root))

    def set(self, **variables: str) -> None:
        """Set variables of the environment."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str) -> Said:
        self._capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = self._capture.readouterr()
        assert "Traceback" not in err
        return Said(int(ended.value.code or 0), out, err)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs commands on an empty home of the test's own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")  # where no strikehouse.toml lies
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("STRIKEHOUSE_STORAGE__THREADS", "1")
    return Cli(Home(tmp_path / "home"), capsys, monkeypatch)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives are read again without processes of their own: a process takes longer to start than a small home to read."""
    monkeypatch.setattr("flows.history.workers.FEW", 1000)


@pytest.fixture(scope="session")
def one_double() -> Iterator[Double]:
    """A venue double; use `venues`."""
    with serve(session=1) as double:
        yield double


@pytest.fixture
def venues(one_double: Double, cli: Cli, empty_home: Home) -> Iterator[Double]:
    """All venues at session 1 and without faults; the command line asks them, quickly, and does not try twice."""
    shutil.copytree(empty_home.root, cli.home.root)  # a new work file takes a second
    for venue, url in one_double.urls.items():
        prefix = f"STRIKEHOUSE_SOURCES__{venue.upper()}__"
        cli.set(**{f"{prefix}BASE_URL": url, f"{prefix}MAX_REQUESTS_PER_SECOND": "100", f"{prefix}MAX_ATTEMPTS": "1"})
    at_first = one_double.market.now
    yield one_double
    one_double.set_faults([])
    if one_double.market.now != at_first:
        one_double.set_session(1)


@pytest.fixture
def hook() -> Iterator[Hook]:
    """Takes notifications, or refuses them."""
    with Hook() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="session")
def raw_home(once: Once, empty_home: Home) -> Home:
    """SOL in two sessions; between them a run that saw the first one again, and one that failed. To be copied."""

    def fill(folder: Path) -> None:
        shutil.copytree(empty_home.root, folder / "home")
        _run_two_sessions(Home(folder / "home"))

    return Home(once("archived", fill) / "home")


def _run_two_sessions(home: Home) -> None:
    codes = []
    with serve(session=1) as double, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        deribit = DeribitSettings(base_url=double.urls["deribit"], max_requests_per_second=100, max_attempts=1)
        settings = SETTINGS.model_copy(update={"sources": Sources(deribit=deribit)})
        for faults in ([], [], ["deribit:server_error:all"], []):
            double.set_faults(faults)
            if len(codes) == 3:
                double.set_session(2)
            plan = make_plan(["SOL"], ["deribit"], settings, datetime.now(UTC))
            codes.append(run_snapshot(home, settings, plan).exit_code)
    assert codes == [0, 0, 1, 0]


@pytest.fixture
def archived(cli: Cli, raw_home: Home, tmp_path: Path) -> Home:
    """A copy of it, to be changed."""
    subprocess.run(["cp", "-a", raw_home.root, tmp_path / "copy"], check=True)
    cli.use(Home(tmp_path / "copy"))
    return cli.home
