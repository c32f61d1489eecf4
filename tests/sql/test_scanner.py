"""The scanner: one line per underlying, ranked by pin score (definitions §9)."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import pytest

from tests.small_warehouse import FIRST, LAST


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    return con.execute(sql).fetchall()


def test_each_underlying_shows_its_expiry_of_the_highest_score(warehouse: duckdb.DuckDBPyConnection) -> None:
    scored = warehouse.execute("from latest.scanner where scope_venue = 'all' order by underlying").pl()
    assert scored["underlying"].to_list() == ["COIN", "IDX"]
    for row in scored.rows(named=True):
        scores = warehouse.execute(
            "select pin_score, expires_at from marts.pin_score where snapshot_id = ? and scope_venue = 'all' order by pin_score desc nulls last, expires_at",
            [row["snapshot_id"]],
        ).fetchall()
        assert (row["pin_score"], row["expires_at"]) == scores[0]
        assert (row["pin_score"] is None) == (row["pin_score_reason"] is not None)


def test_scan_ranks_the_newest_snapshots_of_a_moment(warehouse: duckdb.DuckDBPyConnection) -> None:
    ranked = rows(warehouse, "select place, underlying, pin_score from scan()")
    assert [rank for rank, *_ in ranked] == [1, 2]
    scores = [score for *_, score in ranked if score is not None]
    assert scores == sorted(scores, reverse=True)
    then = (FIRST + timedelta(minutes=5)).replace(tzinfo=None)
    assert rows(warehouse, f"select distinct captured_at from scan(as_of := '{then}')") == [(FIRST.replace(tzinfo=None),)]
    assert rows(warehouse, "select captured_at from scan('coin')") == [(LAST.replace(tzinfo=None),)]
    assert rows(warehouse, f"from scan(as_of := '{(FIRST - timedelta(days=1)).replace(tzinfo=None)}')") == []


@pytest.mark.parametrize("underlyings", ["'COIN,IDX'", "['idx', 'coin']"])
def test_scan_takes_a_list_of_underlyings(warehouse: duckdb.DuckDBPyConnection, underlyings: str) -> None:
    assert {name for (name,) in rows(warehouse, f"select underlying from scan({underlyings})")} == {"COIN", "IDX"}


def test_only_complete_snapshots_on_request(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert rows(warehouse, "select captured_at from scan('COIN', complete_only := true)") == [(FIRST.replace(tzinfo=None),)]
