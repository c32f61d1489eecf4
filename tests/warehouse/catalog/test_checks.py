"""Checks: silent on a sound warehouse, and each of them finds what it is for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import duckdb
import polars as pl
import pytest

from models.contracts.ops import CheckResults
from models.market.calendar import TradingCalendar
from models.snapshot import OK
from tests.chains import SETTINGS, run_rows
from tests.loads import xyz
from tests.small_warehouse import FIRST, LAST, SECOND, coin, snapshot_id
from warehouse.catalog import checks
from warehouse.catalog.checks import all_checks, run_checks, venues_to_set_aside
from warehouse.load.compute import compute_snapshot

COIN, MIDDLE, LATEST = (snapshot_id("COIN", at) for at in (FIRST, SECOND, LAST))
# What goes wrong, as a statement on a sound warehouse; and which check finds it, for which snapshot and venue.
DAMAGE = {
    "repeated_keys": ("insert into core.snapshots from core.snapshots limit 1", "", ""),
    "marts_without_snapshot": (f"delete from core.snapshots where snapshot_id = '{LATEST}'", "", ""),
    "open_interest_lost": (f"delete from store.max_pain where snapshot_id = '{COIN}' and scope_venue = 'okx'", COIN, "okx"),
    "pain_not_convex": (
        f"update store.pain_curve set total_pain_usd = total_pain_usd * 1.01 where snapshot_id = '{LATEST}' and strike = 100",
        LATEST,
        "deribit",
    ),
    "pain_not_exact": (f"update store.oi_by_strike set call_lots = 1000000000000000 where snapshot_id = '{LATEST}'", LATEST, "deribit"),
    "forward_far_from_spot": (f"update store.option_greeks set forward = 150 where snapshot_id = '{COIN}' and venue = 'bybit'", COIN, "bybit"),
    "gamma_differs_from_venue": (
        f"""
        update store.option_quotes set venue_gamma = greeks.gamma * 1.5 from core.option_greeks as greeks
        where greeks.snapshot_id = store.option_quotes.snapshot_id and greeks.venue = store.option_quotes.venue
            and greeks.instrument = store.option_quotes.instrument and store.option_quotes.snapshot_id = '{LATEST}'
        """,
        LATEST,
        "deribit",
    ),
    "open_interest_without_iv": (f"update store.gex_levels set oi_without_iv_pct = 21 where snapshot_id = '{MIDDLE}' and scope_venue = 'okx'", MIDDLE, "okx"),
    "live_contracts_halved": (f"update core.snapshot_venues set live_contracts = 18 where snapshot_id = '{LATEST}'", LATEST, "deribit"),
    "expiries_gone": (
        f"update store.series set expires_at = expires_at + interval 1 minute where snapshot_id = '{LATEST}'",
        LATEST,
        "deribit",
    ),
    "spot_basis": (
        f"""
        update core.snapshot_venues set spot_basis_bp = 11 where snapshot_id = '{COIN}' and venue = 'okx';
        update store.option_greeks set forward_source = 'parity', tau = 0.01 where snapshot_id = '{COIN}' and venue = 'okx'
        """,
        COIN,
        "okx",
    ),
    "spot_outlier": (f"update core.snapshot_venues set spot = spot * 1.2 where snapshot_id = '{COIN}' and venue = 'okx'", COIN, "okx"),
}  # fmt: skip


@pytest.fixture
def damaged(warehouse: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """The small warehouse; what a test does to it is undone."""
    warehouse.execute("begin")
    yield warehouse
    warehouse.execute("rollback")


def all_results(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    kinds = sorted({(check.scope, check.needs) for check in all_checks()})
    return pl.concat([run_checks(con, scope=scope, needs=needs) for scope, needs in kinds])


def test_a_sound_warehouse_is_clean(warehouse: duckdb.DuckDBPyConnection) -> None:
    results = all_results(warehouse)
    assert results.filter(severity="required").rows() == []
    CheckResults.validate(results)


def test_every_check_is_tried_here() -> None:
    assert {check.name for check in all_checks()} == DAMAGE.keys()


@pytest.mark.parametrize("name", DAMAGE)
def test_a_check_finds_what_it_is_for(damaged: duckdb.DuckDBPyConnection, name: str) -> None:
    before = all_results(damaged).filter(check_name=name)
    statement, snapshot, venue = DAMAGE[name]
    damaged.execute(statement)
    results = all_results(damaged).filter(check_name=name).join(before, on=["snapshot_id", "venue"], how="anti")
    assert (snapshot, venue) in results.select("snapshot_id", "venue").rows()
    CheckResults.validate(results)
    check = next(check for check in all_checks() if check.name == name)
    assert set(results["severity"]) == {check.severity}
    assert results["example"].str.starts_with("{").all(), "the first offending row, as JSON"


def test_results_can_be_narrowed_to_snapshots(damaged: duckdb.DuckDBPyConnection) -> None:
    damaged.execute("update core.snapshot_venues set spot = spot * 1.2 where venue = 'okx' and status = 'ok'")
    everything = run_checks(damaged, scope="snapshot-venue", needs="snapshot").filter(check_name="spot_outlier")
    one = run_checks(damaged, scope="snapshot-venue", needs="snapshot", snapshot_ids=[MIDDLE]).filter(check_name="spot_outlier")
    assert set(everything["snapshot_id"]) == {COIN, MIDDLE}
    assert set(one["snapshot_id"]) == {MIDDLE}


def test_only_required_checks_set_a_venue_aside() -> None:
    def result(venue: str, check: str, severity: str, scope: str = "snapshot-venue") -> dict[str, object]:
        return {"snapshot_id": COIN, "venue": venue, "check_name": check, "severity": severity, "scope": scope, "rows": 1, "example": "{}"}

    results = [
        result("okx", "second", "required"), result("okx", "first", "required"), result("bybit", "third", "advisory"), result("", "keys", "required", "structure"),
    ]  # fmt: skip
    frame = pl.DataFrame(results).sort("check_name")
    assert venues_to_set_aside(frame) == {"okx": "first"}, "named by the first check that fails"


@pytest.fixture
def failing_check(monkeypatch: pytest.MonkeyPatch) -> object:
    """Adds a required check; `failing_check(sql)`."""

    def add(sql: str, severity: str = "required") -> None:
        mine = checks.Check("mine", sql, severity, "snapshot-venue", "snapshot", "for the test.")
        monkeypatch.setattr(checks, "all_checks", lambda: (*all_checks(), mine))

    return add


def test_a_venue_that_fails_a_check_is_set_aside_and_the_rest_is_computed_again(calendar: TradingCalendar, failing_check: object) -> None:
    from tests.chains import on_venue

    rows = run_rows(coin(FIRST), on_venue(coin(FIRST), "okx", times=2), calendar=calendar)
    failing_check("select snapshot_id, venue, count(*) as n from core.option_greeks where venue = 'okx' group by all")  # type: ignore[operator]
    computed = compute_snapshot(rows.venues, rows.quotes, calendar=calendar, settings=SETTINGS)
    assert computed.tables["core.snapshot_venues"].select("venue", "status", "error").rows() == [
        ("deribit", "ok", None),
        ("okx", "rejected", "mine"),
    ]
    assert computed.check_results.filter(check_name="mine").select("venue", "rows").rows() == [("okx", 1)]
    alone = run_rows(coin(FIRST), calendar=calendar)
    only = compute_snapshot(alone.venues, alone.quotes, calendar=calendar, settings=SETTINGS)
    for name, frame in only.tables.items():
        if name.startswith("marts."):
            assert computed.tables[name].equals(frame), name
    assert computed.tables["core.snapshots"].select("status", "venues_missing").row(0) == ("partial", "okx")


def test_an_advisory_check_is_written_down_and_changes_nothing(calendar: TradingCalendar, failing_check: object) -> None:
    failing_check("select snapshot_id, venue from core.snapshot_venues", "advisory")  # type: ignore[operator]
    rows = run_rows(xyz(), calendar=calendar)
    computed = compute_snapshot(rows.venues, rows.quotes, calendar=calendar, settings=SETTINGS)
    assert computed.tables["core.snapshot_venues"]["status"].to_list() == [OK]
    assert computed.check_results.filter(check_name="mine").height == 1


def test_a_check_that_fails_on_the_sum_sets_every_venue_aside(calendar: TradingCalendar, failing_check: object) -> None:
    from tests.chains import on_venue

    rows = run_rows(coin(FIRST + timedelta(days=1)), on_venue(coin(FIRST + timedelta(days=1)), "okx"), calendar=calendar)
    failing_check("select distinct snapshot_id, scope_venue as venue from marts.max_pain where scope_venue = 'all'")  # type: ignore[operator]
    computed = compute_snapshot(rows.venues, rows.quotes, calendar=calendar, settings=SETTINGS)
    assert computed.tables["core.snapshot_venues"].select("status", "error").rows() == [("rejected", "mine")] * 2
    assert computed.tables["core.snapshots"].is_empty()
    assert "marts.max_pain" not in computed.tables
