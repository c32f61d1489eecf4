"""The small warehouse, published, through its door in Python."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.chains import SETTINGS
from warehouse.client.warehouse import Warehouse, open_warehouse
from warehouse.explain.explanation import Alternative, Explanation, Row
from warehouse.home.paths import Home
from warehouse.publish.generations import publish
from warehouse.storage.work_file import open_work


@pytest.fixture(scope="module")
def wh(stocked_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    home = Home(Path(shutil.copytree(stocked_home.root, tmp_path_factory.mktemp("explained") / "home")))
    with open_work(home, SETTINGS, "publish") as con:
        publish(con, home, SETTINGS, run_id=None, now=datetime(2026, 3, 3, 12, tzinfo=UTC), code_version="0")
    with open_warehouse(home.root) as warehouse:
        yield warehouse


def other(explanation: Explanation, convention: str) -> Alternative:
    """The one alternative of that name."""
    (one,) = (one for one in explanation.alternatives if one.convention == convention)
    return one


def rows(explanation: Explanation, title: str) -> tuple[Row, ...]:
    """The rows of the table whose title begins so."""
    (one,) = (table for table in explanation.tables if table.title.startswith(title))
    return one.rows


def input_value(explanation: Explanation, name: str) -> object:
    """The value of an input."""
    (one,) = (number for number in explanation.inputs if number.name == name)
    return one.value
