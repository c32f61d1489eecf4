"""Several snapshots in one scratch database: each comes out as it does alone, whatever becomes of the others."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import polars as pl
import pytest

from models.market.calendar import TradingCalendar
from tests.chains import SETTINGS, on_venue, run_rows
from tests.loads import xyz
from tests.small_warehouse import FIRST, LAST, SECOND, coin
from warehouse.catalog import checks
from warehouse.catalog.checks import all_checks
from warehouse.catalog.relations import all_relations
from warehouse.load.compute import LIVE_CONTRACTS, Captured, Computed, compute_snapshots, live_contracts_of

NO_VENUE_OF_COIN = "select distinct snapshot_id, scope_venue as venue from marts.max_pain where scope_venue = 'all'"
ONE_VENUE = "select distinct snapshot_id, venue from core.option_greeks where venue = 'okx' and snapshot_id < 'COIN-2026~'"


@pytest.fixture
def captured(calendar: TradingCalendar) -> list[Captured]:
    """A stock and a coin on two venues, at several instants; and a snapshot of which no venue can be used."""
    unusable = coin(LAST + timedelta(days=2))
    runs = [
        run_rows(coin(FIRST), on_venue(coin(FIRST), "okx", times=2), calendar=calendar),
        run_rows(xyz(), calendar=calendar),
        run_rows(coin(SECOND), calendar=calendar),
        run_rows(unusable, calendar=calendar),
        run_rows(coin(LAST), on_venue(coin(LAST), "okx", spot=120.0), calendar=calendar),
    ]
    parts = [Captured(rows.venues, rows.quotes) for rows in runs]
    refused = parts[3].venues.with_columns(status=pl.lit("rejected"), error=pl.lit("no_spot"))
    return [*parts[:3], Captured(refused, parts[3].quotes), parts[4]]


def alike(together: Computed, alone: list[Computed]) -> None:
    names = {name for one in alone for name in one.tables}
    assert together.tables.keys() == names
    for name in sorted(names):
        whole = pl.concat([one.tables[name] for one in alone if name in one.tables]).unique()
        assert together.tables[name].height == whole.height
        assert together.tables[name].unique().sort(pl.all(), nulls_last=True).equals(whole.sort(pl.all(), nulls_last=True)), name
    whole = pl.concat([one.check_results for one in alone])
    key = ["snapshot_id", "venue", "check_name"]
    assert together.check_results.sort(key).equals(whole.sort(key))


@pytest.mark.parametrize(
    "failing", [None, pytest.param(ONE_VENUE, marks=pytest.mark.slow), pytest.param(NO_VENUE_OF_COIN, marks=pytest.mark.slow)]
)
def test_snapshots_computed_together_come_out_as_each_does_alone(
    captured: list[Captured], calendar: TradingCalendar, monkeypatch: pytest.MonkeyPatch, failing: str | None
) -> None:
    if failing:
        mine = checks.Check("mine", failing, "required", "snapshot-venue", "snapshot", "for the test.")
        monkeypatch.setattr(checks, "all_checks", lambda: (*all_checks(), mine))
    together = compute_snapshots(captured, calendar=calendar, settings=SETTINGS)
    alone = [compute_snapshots([one], calendar=calendar, settings=SETTINGS) for one in captured]
    alike(together, alone)
    results = together.check_results.filter(check_name="mine")
    assert bool(failing) == bool(results.height)
    refused = together.tables["core.snapshot_venues"].filter(error="mine")
    assert refused.height == (0 if failing is None else 2 if failing == ONE_VENUE else 4), (
        "the venues of the snapshots that fail, no others"
    )


def test_live_contracts_side_by_side_are_those_that_sql_joins(captured: list[Captured], calendar: TradingCalendar) -> None:
    tables = compute_snapshots(captured, calendar=calendar, settings=SETTINGS).tables
    expired = pl.col("instrument").is_in(tables["core.option_greeks"]["instrument"].unique().sort().head(3))
    some = tables | {
        "core.option_quotes": tables["core.option_quotes"].with_columns(is_live=pl.col("is_live") & ~expired),
        "core.option_greeks": tables["core.option_greeks"].filter(~expired),
    }
    for rows in (tables, some):
        live = live_contracts_of(rows)
        joined = joined_in_sql(rows)
        assert live is not None
        assert 0 < live.height < rows["core.option_quotes"].height
        assert live.select(joined.columns).sort(pl.all()).equals(joined.sort(pl.all()))


def test_contracts_in_another_order_than_their_greeks_are_joined_in_sql(captured: list[Captured], calendar: TradingCalendar) -> None:
    backwards = [Captured(venues, quotes.reverse()) for venues, quotes in captured]
    forwards = compute_snapshots(captured, calendar=calendar, settings=SETTINGS)
    turned = compute_snapshots(backwards, calendar=calendar, settings=SETTINGS)
    assert live_contracts_of(turned.tables) is None
    alike(turned, [forwards])


def joined_in_sql(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    (relation,) = [one for one in all_relations() if one.name == LIVE_CONTRACTS]
    with duckdb.connect() as con:
        con.execute("create schema core")
        for name in sorted(relation.inputs):
            con.register("frame", tables[name])
            con.execute(f"create table {name} as from frame")
        return con.execute(relation.sql).pl()


def test_every_stored_relation_is_among_the_results(captured: list[Captured], calendar: TradingCalendar) -> None:
    tables = compute_snapshots(captured, calendar=calendar, settings=SETTINGS).tables
    stored = {relation.name for relation in all_relations() if not (relation.is_transient or relation.is_view)}
    assert stored <= tables.keys()
