"""Public relations: what is listed can be read, by every way, and what can be read is listed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.errors import UsageError
from tests.chains import SETTINGS
from tests.conftest import CHECKOUT
from warehouse.catalog.public_relations import contract_of, public_relations
from warehouse.client.warehouse import Warehouse, open_warehouse
from warehouse.home.paths import Home
from warehouse.publish.generations import publish
from warehouse.read.export import export_table
from warehouse.read.query import query, show_table
from warehouse.storage.work_file import open_work


@pytest.fixture(scope="module")
def home(stocked_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(Path(shutil.copytree(stocked_home.root, tmp_path_factory.mktemp("public") / "home")))
    with open_work(home, SETTINGS, "publish") as con:
        publish(con, home, SETTINGS, run_id=None, now=datetime(2026, 3, 3, tzinfo=UTC), code_version="0")
    return home


@pytest.fixture(scope="module")
def wh(home: Home) -> Iterator[Warehouse]:
    with open_warehouse(home.root) as warehouse:
        yield warehouse


def test_the_client_lists_the_public_relations(wh: Warehouse) -> None:
    assert wh.tables == list(public_relations())


@pytest.mark.parametrize("relation", public_relations())
def test_a_public_relation_has_the_columns_of_its_contract_on_the_published_file(wh: Warehouse, home: Home, relation: str) -> None:
    columns = contract_of(relation).column_names()
    assert wh.table(relation).columns == columns
    assert show_table(home, relation, limit=1).columns == columns


def test_schemas_of_readers_hold_public_relations_only(home: Home) -> None:
    present = query(home, "select schema_name || '.' || view_name as name from duckdb_views() where schema_name in ('latest', 'marts')")
    assert {name for name in public_relations() if name.startswith("latest.")} <= set(present["name"])
    assert set(present["name"]) <= public_relations().keys()


def test_an_unknown_relation_is_refused_with_the_names_that_can_be_read(home: Home, tmp_path: Path) -> None:
    for attempt in (lambda: show_table(home, "latest.pin_calibration"), lambda: export_table(home, "latest.nope", "csv", tmp_path / "x")):
        with pytest.raises(UsageError, match="Known: ") as refused:
            attempt()
        assert str(refused.value).rstrip(".").split("Known: ")[1].split(", ") == list(public_relations())


def test_one_snapshot_of_a_relation(wh: Warehouse) -> None:
    newest = wh.table("latest.snapshots", underlying="IDX")["snapshot_id"].item()
    assert wh.table("latest.snapshots", snapshot_id=newest)["underlying"].to_list() == ["IDX"]
    assert set(wh.table("marts.max_pain", snapshot_id=newest)["scope_venue"]) == {"all"}
    with pytest.raises(UsageError, match="marts.pin_calibration has no column snapshot_id"):
        wh.table("marts.pin_calibration", snapshot_id=newest)


def test_the_page_of_tables_lists_the_public_relations() -> None:
    listed = re.findall(r"^(?:### |\* )?`([a-z]+\.[a-z_0-9]+)`", (CHECKOUT / "docs" / "tables.md").read_text(), re.MULTILINE)
    page = (CHECKOUT / "docs" / "tables.md").read_text()
    assert set(listed) | {"latest.snapshots"} == public_relations().keys() and "`latest.snapshots`" in page
