"""`latest.…`: the newest snapshot of each underlying that has a usable venue; and scope `all` where there is one venue only."""

from __future__ import annotations

import duckdb
import pytest

from models.contracts.registry import TABLES
from tests.small_warehouse import FIRST, LAST, snapshot_id
from warehouse.catalog.public_relations import marts

BY_SCOPE = [mart for mart in marts() if mart in TABLES and "scope_venue" in TABLES[mart].primary_key()]


def test_each_underlying_has_one_latest_snapshot(warehouse: duckdb.DuckDBPyConnection) -> None:
    rows = warehouse.execute("select underlying, snapshot_id, status, venues_missing from latest.snapshots").fetchall()
    assert rows == [
        ("COIN", snapshot_id("COIN", LAST), "partial", "bybit,okx"),
        ("IDX", snapshot_id("IDX", FIRST), "complete", ""),
    ]


@pytest.mark.parametrize("mart", marts())
def test_a_latest_view_holds_the_rows_of_those_snapshots(warehouse: duckdb.DuckDBPyConnection, mart: str) -> None:
    latest = warehouse.execute(f"from latest.{mart.split('.')[1]}").pl()
    assert set(latest["snapshot_id"]) == {snapshot_id("COIN", LAST), snapshot_id("IDX", FIRST)}
    whole = warehouse.execute(f"from {mart} where snapshot_id in ('{snapshot_id('COIN', LAST)}', '{snapshot_id('IDX', FIRST)}')").pl()
    assert latest.sort(latest.columns).equals(whole.sort(latest.columns))


@pytest.mark.parametrize("mart", BY_SCOPE)
def test_the_only_venue_of_a_snapshot_is_offered_as_all_without_being_stored_twice(warehouse: duckdb.DuckDBPyConnection, mart: str) -> None:
    name = mart.split(".")[1]
    only = snapshot_id("COIN", LAST)
    stored = warehouse.execute(f"from store.{name} where snapshot_id = ?", [only]).pl()
    assert set(stored["scope_venue"]) == {"deribit"}
    published = warehouse.execute(f"from {mart} where snapshot_id = ?", [only]).pl()
    assert published.height == 2 * stored.height
    one, other = (published.filter(scope_venue=scope).drop("scope_venue") for scope in ("deribit", "all"))
    assert one.equals(other)


@pytest.mark.parametrize("mart", BY_SCOPE)
def test_several_venues_are_stored_each_and_together(warehouse: duckdb.DuckDBPyConnection, mart: str) -> None:
    scopes = warehouse.execute(f"select distinct scope_venue from {mart} where snapshot_id = ? order by all", [snapshot_id("COIN", FIRST)])
    assert scopes.fetchall() == [("all",), ("bybit",), ("deribit",), ("okx",)]
