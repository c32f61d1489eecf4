"""The command line in this process, and venues to ask: one server for all tests of a worker."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main
from tests.venue_double import Double, serve
from warehouse.home import Home


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
