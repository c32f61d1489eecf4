"""Hashes of tables: equal rows in any order of writing, and every bit counts."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from models.contracts.registry import TABLES
from tests.small_warehouse import FIRST, LAST, snapshot_id
from warehouse.load.fingerprints import differences, table_hashes

COIN = snapshot_id("COIN", LAST)


@pytest.fixture
def con(warehouse: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    warehouse.execute("begin")
    yield warehouse
    warehouse.execute("rollback")


def test_every_table_of_core_and_marts_is_hashed_by_snapshot(con: duckdb.DuckDBPyConnection) -> None:
    hashes = table_hashes(con)
    derived = {name for name in TABLES if name.startswith(("core.", "marts."))} - {
        "core.listing_rules",
        "core.parameters",
        "core.sessions",
        "core.sign_scenarios",
    }
    with_rows = {name for name in derived if con.execute(f"select count(*) from {name}").fetchall() != [(0,)]}
    assert {name for name, _ in hashes} == with_rows
    assert {snapshot for name, snapshot in hashes if name == "marts.max_pain"} == {
        row[0] for row in con.execute("select snapshot_id from core.snapshots").fetchall()
    }
    assert ("core.calendar", "") in hashes


def test_the_order_in_which_rows_were_written_does_not_count(con: duckdb.DuckDBPyConnection) -> None:
    before = table_hashes(con)
    con.execute("create temp table shuffled as from store.gex_heatmap order by hash(strike, expires_at)")
    con.execute("delete from store.gex_heatmap")
    con.execute("insert into store.gex_heatmap from shuffled")
    assert table_hashes(con) == before


@pytest.mark.parametrize(
    "change",
    [
        "update store.pain_curve set total_pain_usd = total_pain_usd * (1 + 2.3e-16) where snapshot_id = '{}' and total_pain_usd > 0",
        "update store.gex_heatmap set call_oi = null where snapshot_id = '{}' and call_oi = 0",
        "update store.option_quotes set instrument = instrument || ' ' where snapshot_id = '{}' and strike = 80",
        "update store.option_quotes set bid = 0 where snapshot_id = '{}' and bid is null",
        "delete from store.max_pain where snapshot_id = '{}' and expiry = (select min(expiry) from store.max_pain)",
        "update core.snapshots set run_id = 'another run' where snapshot_id = '{}'",
    ],
)
def test_a_change_shows_in_its_table_and_snapshot(con: duckdb.DuckDBPyConnection, change: str) -> None:
    before = table_hashes(con)
    con.execute(change.format(COIN))
    table = change.split()[2 if change.startswith("delete") else 1]
    table = table.replace("store.", "core." if table == "store.option_quotes" else "marts.")
    (line,) = differences(before, table_hashes(con))
    assert line.startswith(f"{table} {COIN}: warehouse ")
    assert "; rebuilt " in line


def test_what_is_only_on_one_side_is_said_so() -> None:
    ours, theirs = {("marts.max_pain", "a"): (3, "0" * 32)}, {("core.calendar", ""): (1, "1" * 32)}
    assert differences(ours, theirs) == [
        "core.calendar (whole table): warehouse no rows; rebuilt 1 rows, 111111111111",
        "marts.max_pain a: warehouse 3 rows, 000000000000; rebuilt no rows",
    ]
    assert differences(ours, dict(ours)) == []


def test_first_snapshot_is_untouched_by_changes_of_the_last(con: duckdb.DuckDBPyConnection) -> None:
    before = table_hashes(con)
    con.execute(f"delete from store.pain_curve where snapshot_id = '{COIN}'")
    after = table_hashes(con)
    first = snapshot_id("COIN", FIRST)
    assert {key: value for key, value in after.items() if key[1] == first} == {
        key: value for key, value in before.items() if key[1] == first
    }
