"""Homes and folders for imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.conftest import Cli
from warehouse.home.paths import Home


@pytest.fixture(autouse=True)
def _in_this_process(in_this_process: None) -> None:
    """As all but one test of imports: that one starts processes."""


@pytest.fixture
def cli(cli: Cli, home: Home) -> Cli:
    """On a home whose tables are made already."""
    cli.use(home)
    return cli


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "downloads").mkdir()
    return tmp_path / "downloads"
