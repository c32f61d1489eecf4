"""Settlement prices in the work file: each price as it was first received, in whatever order they are loaded."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations

import duckdb
import polars as pl

from flows.run.parse import settlement_rows
from tests.chains import AT, settled
from warehouse.load.settlements import load_settlements
from warehouse.storage.transactions import is_unpublished

FIRST, SECOND = datetime(2026, 3, 1, 8), datetime(2026, 3, 2, 8)


def receipt(hours: int, first: float, second: float | None = None, sha: str = "a") -> pl.DataFrame:
    prices = {FIRST: first} | ({SECOND: second} if second else {})
    rows = settled("BTC", prices, received_at=AT + timedelta(hours=hours), sha=sha)
    return settlement_rows([rows], run_id=f"run-{hours}{sha}", origin="live")


def stored(con: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return con.execute("from core.delivery_prices order by all").fetchall()


def test_of_several_prices_the_last_received_counts_in_any_order(work: duckdb.DuckDBPyConnection) -> None:
    receipts = [receipt(0, 100.0), receipt(1, 101.0, 50.0), receipt(2, 101.0), receipt(2, 102.0, sha="b")]
    outcomes = set()
    for order in permutations(receipts):
        work.execute("delete from core.delivery_prices")
        for one in order:
            load_settlements(work, one)
        outcomes.add(tuple(stored(work)))
    work.execute("delete from core.delivery_prices")
    load_settlements(work, pl.concat(receipts))
    assert outcomes == {tuple(stored(work))}
    delivered = work.execute("select expires_at, settlement_price, run_id from core.delivery_prices order by all").fetchall()
    assert delivered == [(FIRST, 100.0, "run-0a"), (FIRST, 101.0, "run-1a"), (FIRST, 102.0, "run-2b"), (SECOND, 50.0, "run-1a")]
    prices = work.execute("select expires_at, settlement_price from core.settlement_prices order by all").fetchall()
    assert prices == [(FIRST, 102.0), (SECOND, 50.0)]


def test_the_same_receipt_again_changes_nothing(work: duckdb.DuckDBPyConnection) -> None:
    assert load_settlements(work, receipt(1, 100.0, 50.0)) == 2
    work.execute("delete from main.unpublished")
    assert load_settlements(work, receipt(1, 100.0, 50.0)) == 0
    assert load_settlements(work, receipt(2, 100.0, 50.0)) == 0, "the same prices an hour later neither"
    assert not is_unpublished(work)
    assert load_settlements(work, receipt(0, 100.0)) == 1, "a run that was loaded late, and was first"
    assert load_settlements(work, receipt(2, 100.5)) == 1
    assert is_unpublished(work)


def test_two_sources_are_stored_side_by_side(work: duckdb.DuckDBPyConnection) -> None:
    for source in ("deribit:btc_usd", "deribit:btc_usdc"):
        load_settlements(work, settlement_rows([settled("BTC", {FIRST: 1.0}, source=source)], run_id="r", origin="live"))
    assert len(stored(work)) == 2
