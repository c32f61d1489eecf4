"""Alert rules against sequences of snapshots, and the book of alerts: opened once, cleared, opened again, delivered once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as few
from hypothesis import strategies as st

from models.contracts.ops import Alerts
from models.market.calendar import TradingCalendar
from tests.chains import SETTINGS
from tests.loads import Loader, xyz
from warehouse.home.paths import Home
from warehouse.monitor.alerts import Condition, carry_over, conditions, notes_due, record, record_deliveries
from warehouse.monitor.freshness import Freshness
from warehouse.publish.status import open_alerts
from warehouse.settings.alerts import AlertSettings, CheckFailed, FlipCrossed, MaxPainMoved, RegimeChanged, Rule, Stale, VenueMissing
from warehouse.storage.transactions import is_unpublished
from warehouse.storage.work_file import open_work, warehouse_in_memory

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FLIP, REGIME = FlipCrossed(kind="flip_crossed"), RegimeChanged(kind="regime_changed")


@pytest.fixture(scope="module")
def empty() -> duckdb.DuckDBPyConnection:
    """A warehouse without snapshots, for rows written by hand."""
    with warehouse_in_memory(SETTINGS) as con:
        yield con  # type: ignore[misc]


def fill_snapshots(
    con: duckdb.DuckDBPyConnection, levels: Sequence[tuple[float, float | None, str]], *, underlying: str = "XYZ", origin: str = "live"
) -> None:
    """A snapshot per (spot, flip, regime), an hour apart; only what the rules read has meaning."""
    for number, (spot, flip, regime) in enumerate(levels):
        at = datetime(2026, 3, 2) + number * HOUR
        snapshot_id = f"{underlying}-{at:%Y%m%dT%H%M%SZ}"
        fill(con, "core.snapshots", {"snapshot_id": snapshot_id, "underlying": underlying, "captured_at": at, "origin": origin})
        fill(
            con, "store.gex_levels",
            {
                "snapshot_id": snapshot_id, "underlying": underlying, "captured_at": at, "scope_venue": "all", "scope_expiry": "all", "spot": spot,
                "gamma_flip": flip, "regime": regime, "net_gex_usd_1pct": 5, "is_only_venue": False,
            },
        )  # fmt: skip


def fill(con: duckdb.DuckDBPyConnection, table: str, values: dict[str, object]) -> None:
    """One row; columns that are not named and must not be null get something of their type."""
    described = con.execute(f"describe {table}").fetchall()
    plain = {"VARCHAR": "''", "TIMESTAMP": "timestamp '2026-03-02'", "DATE": "date '2026-03-02'", "BOOLEAN": "false"}
    shown = []
    for name, kind, null, *_ in described:
        if name in values:
            value = values[name]
            shown.append("null" if value is None else f"'{value}'" if isinstance(value, str | datetime) else str(value))
        else:
            shown.append("null" if null == "YES" else plain.get(kind, "0"))
    con.execute(f"insert into {table} values ({', '.join(shown)})")


@pytest.fixture
def rows(empty: duckdb.DuckDBPyConnection) -> Callable[[], duckdb.DuckDBPyConnection]:
    def clean() -> duckdb.DuckDBPyConnection:
        for table in ("core.snapshots", "store.gex_levels"):
            empty.execute(f"delete from {table}")
        return empty

    clean()
    return clean


LEVEL = st.tuples(st.sampled_from([95.0, 100.0, 105.0]), st.sampled_from([None, 98.0, 100.0, 102.0]))


@few(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(levels=st.lists(LEVEL, min_size=1, max_size=5))
def test_a_crossing_is_a_change_of_side_against_the_last_snapshot_with_a_flip(
    rows: Callable[[], duckdb.DuckDBPyConnection], levels: list[tuple[float, float | None]]
) -> None:
    con = rows()
    regimes = ["unknown" if flip is None else "positive_gamma" if spot >= flip else "negative_gamma" for spot, flip in levels]
    fill_snapshots(con, [(spot, flip, regime) for (spot, flip), regime in zip(levels, regimes, strict=True)])
    sides = ["above" if spot >= flip else "below" for spot, flip in levels if flip is not None]
    expected = [sides[-1]] if levels[-1][1] is not None and len(sides) > 1 and sides[-1] != sides[-2] else []
    assert [one.alert_key for one in conditions(con, [FLIP], [])] == [f"flip_crossed|XYZ|{side}" for side in expected]
    names = [{"above": "positive_gamma", "below": "negative_gamma"}[side] for side in expected]
    assert [one.alert_key for one in conditions(con, [REGIME], [])] == [f"regime_changed|XYZ|{name}" for name in names]


def test_messages_say_the_numbers(rows: Callable[[], duckdb.DuckDBPyConnection]) -> None:
    con = rows()
    fill_snapshots(con, [(95.0, 100.0, "negative_gamma"), (101.0, 100.5, "positive_gamma")])
    flip, regime = conditions(con, [FLIP, REGIME], [])
    assert flip.message == "XYZ crossed the gamma flip: spot 101.00 is above 100.50, it was below before (2026-03-02 01:00 UTC)"
    assert regime.message == "XYZ went from negative gamma to positive gamma: net gamma exposure 5 USD per 1 % (2026-03-02 01:00 UTC)"


def test_imports_are_history_and_no_news(rows: Callable[[], duckdb.DuckDBPyConnection]) -> None:
    con = rows()
    fill_snapshots(con, [(95.0, 100.0, "negative_gamma"), (101.0, 100.0, "positive_gamma")], origin="import")
    assert conditions(con, [FLIP, REGIME], []) == []


def test_a_rule_applies_to_its_underlyings_only(rows: Callable[[], duckdb.DuckDBPyConnection]) -> None:
    con = rows()
    for underlying in ("XYZ", "ABC"):
        fill_snapshots(con, [(95.0, 100.0, "negative_gamma"), (101.0, 100.0, "positive_gamma")], underlying=underlying)
    only = FlipCrossed(kind="flip_crossed", name="mine", underlyings=("xyz",))
    assert [one.alert_key for one in conditions(con, [FLIP, only], [])] == [
        "flip_crossed|ABC|above",
        "flip_crossed|XYZ|above",
        "mine|XYZ|above",
    ]


@pytest.fixture(scope="module")
def moved_once(empty_home: Home, tmp_path_factory: pytest.TempPathFactory, calendar: TradingCalendar) -> Iterator[Loader]:
    """XYZ twice, on two expiries; then the max pain of both is written: +5 % of spot at the front, −2 % behind."""
    home = Home(Path(shutil.copytree(empty_home.root, tmp_path_factory.mktemp("moved") / "home")))
    with open_work(home, SETTINGS, "test") as work:
        load = Loader(work, calendar)
        load(xyz(expiries=2))
        load(xyz(3, hours=24, expiries=2), run_id="run-2")
        _write_max_pain(work)
        yield load


@pytest.fixture
def moved(moved_once: Loader) -> Iterator[Loader]:
    """The same; what a test does to it is undone."""
    moved_once.con.execute("begin")
    yield moved_once
    moved_once.con.execute("rollback")


def _write_max_pain(work: duckdb.DuckDBPyConnection) -> None:
    work.execute("update store.max_pain set max_pain_strike = 100 where captured_at = (select min(captured_at) from core.snapshots)")
    work.execute(
        """
        update store.max_pain set max_pain_strike = case when expires_at = (select min(expires_at) from store.max_pain) then 105 else 98 end
        where captured_at = (select max(captured_at) from core.snapshots)
        """
    )


@pytest.mark.parametrize(
    ("rule", "directions"),
    [
        ({"pct": 1}, ["up", "down"]),
        ({"pct": 2.5}, ["up"]),
        ({"pct": 5}, []),
        ({"pct": 4.999}, ["up"]),
        ({"pct": 1, "expiries": "front"}, ["up"]),
        ({"pct": 1, "dte_max": 12}, ["up"]),
        ({"pct": 1, "dte_max": 40}, ["up", "down"]),
        ({"pct": 1, "dte_max": 2}, []),
    ],
)
def test_max_pain_that_moved_is_alerted_by_its_size_and_expiry(moved: Loader, rule: dict[str, object], directions: list[str]) -> None:
    raised = conditions(moved.con, [MaxPainMoved(kind="max_pain_moved", **rule)], [])  # type: ignore[arg-type]
    assert [one.alert_key.rpartition("|")[2] for one in raised] == directions
    if directions:
        assert "moved +5.00 % of spot, from 100 to 105" in raised[0].message


def test_a_failed_check_is_reported_for_the_newest_capture_only(moved: Loader) -> None:
    con = moved.con
    first, last = (row[0] for row in con.execute("select snapshot_id from core.snapshots order by 1").fetchall())
    for snapshot_id, check, severity in ((first, "spot_basis", "required"), (last, "spot_outlier", "advisory")):
        con.execute(
            f"insert into ops.check_results values ('{snapshot_id}', 'cboe', '{check}', '{severity}', 'snapshot-venue', 2, '{{\"a\": 1}}')"
        )
    strict, every = CheckFailed(kind="check_failed"), CheckFailed(kind="check_failed", severity="any")
    assert conditions(con, [strict], []) == []
    (raised,) = conditions(con, [every], [])
    assert raised.alert_key == "check_failed|XYZ|cboe|spot_outlier" and '2 rows, such as {"a": 1}' in raised.message
    con.execute(f"update core.snapshot_venues set status = 'rejected', error = 'no_prices: all of them' where snapshot_id = '{last}'")
    assert [one.alert_key for one in conditions(con, [strict], [])] == ["check_failed|XYZ|cboe|no_prices"]
    with_publication = conditions(con, [strict], [], hold_reason="repeated_keys (1 rows)")
    assert [one.alert_key for one in with_publication] == ["check_failed|XYZ|cboe|no_prices", "check_failed||publication"]


def fresh(state: str, *, last_status: str = "ok", is_watched: bool = True, venue: str = "deribit", underlying: str = "BTC") -> Freshness:
    return Freshness(underlying, venue, state, "why", None, None, None, last_status, None, is_watched)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, ["stale", "unavailable"]),
        ({"level": "degraded"}, ["degraded", "stale", "unavailable"]),
        ({"level": "unavailable"}, ["unavailable"]),
        ({"underlyings": ["STALE"]}, ["stale"]),
    ],
)
def test_stale_data_of_the_watchlist_are_alerted_by_level(
    work: duckdb.DuckDBPyConnection, rule: dict[str, object], expected: list[str]
) -> None:
    states = [fresh(state, underlying=state.upper()) for state in ("healthy", "degraded", "stale", "unavailable")]
    unwatched = fresh("stale", underlying="GLD", is_watched=False)
    keys = [one.alert_key for one in conditions(work, [Stale(kind="stale", **rule)], [*states, unwatched])]  # type: ignore[arg-type]
    assert keys == [f"stale|{state.upper()}|deribit" for state in expected]


def test_a_venue_that_gave_nothing_in_the_last_run_is_alerted(work: duckdb.DuckDBPyConnection) -> None:
    venues = [
        fresh("healthy"),
        fresh("degraded", last_status="failed", venue="okx"),
        fresh("degraded", last_status="rejected", venue="bybit"),
    ]
    keys = [one.alert_key for one in conditions(work, [VenueMissing(kind="venue_missing")], venues)]
    assert keys == ["venue_missing|BTC|bybit", "venue_missing|BTC|okx"]
    only = VenueMissing(kind="venue_missing", venues=("okx",))
    assert [one.alert_key for one in conditions(work, [only], venues)] == ["venue_missing|BTC|okx"]


def one(key: str, message: str = "it happened") -> Condition:
    return Condition(key, key, "stale", "BTC", message)


def delivered_keys(
    con: duckdb.DuckDBPyConnection, now: datetime, *, failures: dict[str, str] | None = None, addresses: Sequence[str] = ("1:json",)
) -> list[str]:
    """Deliver what is due; gives the keys."""
    notes = notes_due(con)
    record_deliveries(con, notes, addresses, failures or {}, now)
    return [f"{'over ' if note.is_clear_note else ''}{note.alert_key}" for note in notes]


def test_an_alert_is_delivered_once_until_it_clears_and_then_again(work: duckdb.DuckDBPyConnection) -> None:
    history = [["a"], ["a", "b"], ["a", "b"], ["b"], ["a", "b"], []]
    said = []
    for hour, keys in enumerate(history):
        changes = record(work, [one(key, f"{key} at {hour}") for key in keys], NOW + hour * HOUR, tell_cleared=False)
        said.append(([opened.alert_key for opened in changes.opened], list(changes.cleared), delivered_keys(work, NOW + hour * HOUR)))
    assert said == [
        (["a"], [], ["a"]), (["b"], [], ["b"]), ([], [], []), ([], ["a at 2"], []), (["a"], [], ["a"]), ([], ["a at 4", "b at 4"], []),
    ]  # fmt: skip
    table = work.execute("from ops.alerts order by alert_key, first_seen_at").pl()
    Alerts.validate(table)
    assert [(row["alert_key"], row["first_seen_at"].hour, row["last_seen_at"].hour, row["cleared_at"].hour) for row in table.to_dicts()] == [
        ("a", 12, 14, 15), ("a", 16, 16, 17), ("b", 13, 16, 17),
    ]  # fmt: skip
    assert table["delivered_at"].null_count() == 0 and set(table["delivered_to"]) == {"1:json"}


@given(history=st.lists(st.sets(st.sampled_from("abc")), max_size=8))
@few(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_beginning_is_delivered_and_nothing_else(empty: duckdb.DuckDBPyConnection, history: list[set[str]]) -> None:
    empty.execute("delete from ops.alerts")
    for hour, keys in enumerate(history):
        record(empty, [one(key) for key in sorted(keys)], NOW + hour * HOUR, tell_cleared=False)
        before = history[hour - 1] if hour else set()
        assert delivered_keys(empty, NOW + hour * HOUR) == sorted(keys - before)
    still = {row[0] for row in empty.execute("select alert_key from ops.alerts where cleared_at is null").fetchall()}
    assert still == (history[-1] if history else set())


def test_a_delivery_that_failed_is_tried_again_by_whom_it_failed_even_when_the_alert_is_over(work: duckdb.DuckDBPyConnection) -> None:
    both = ("1:json", "2:slack")
    record(work, [one("a")], NOW, tell_cleared=False)
    assert delivered_keys(work, NOW, failures={"2:slack": "2:slack: no"}, addresses=both) == ["a"]
    (alert,) = open_alerts(work)
    assert (alert["delivered_at"], alert["delivery_error"]) == (None, "2:slack: no")
    (note,) = notes_due(work)
    assert note.delivered_to == {"1:json"}
    record(work, [], NOW + HOUR, tell_cleared=False)
    assert delivered_keys(work, NOW + HOUR, addresses=both) == ["a"], "who was not reached still wants to know"
    assert notes_due(work) == []
    assert work.execute("select delivered_to, delivery_error from ops.alerts").fetchall() == [("1:json,2:slack", None)]


def test_without_an_address_what_is_over_is_never_delivered_later(work: duckdb.DuckDBPyConnection) -> None:
    record(work, [one("a"), one("b")], NOW, tell_cleared=True)
    record(work, [one("b")], NOW + HOUR, tell_cleared=True)
    assert delivered_keys(work, NOW + 2 * HOUR) == ["b"]


def test_a_cleared_alert_is_delivered_once_when_notify_cleared_is_set(work: duckdb.DuckDBPyConnection) -> None:
    record(work, [one("a")], NOW, tell_cleared=True)
    delivered_keys(work, NOW)
    record(work, [], NOW + HOUR, tell_cleared=True)
    assert delivered_keys(work, NOW + HOUR) == ["over a"]
    assert delivered_keys(work, NOW + HOUR) == []


def test_a_change_is_published_and_an_alert_that_goes_on_is_none(work: duckdb.DuckDBPyConnection) -> None:
    def is_news(*keys: str) -> bool:
        work.execute("delete from main.unpublished")
        record(work, [one(key) for key in keys], NOW, tell_cleared=False)
        return is_unpublished(work)

    assert [is_news(), is_news("a"), is_news("a"), is_news(), is_news()] == [False, True, False, True, False]


def test_alerts_survive_a_new_work_file_and_a_damaged_one_does_not_stop_it(home: Home, tmp_path: Path) -> None:
    with open_work(home, SETTINGS, "test") as con:
        record(con, [one("a"), one("b")], NOW, tell_cleared=False)
        stored = con.execute("from ops.alerts order by all").fetchall()
        con.checkpoint()
    with warehouse_in_memory(SETTINGS) as new:
        carry_over(new, home)
        assert new.execute("from ops.alerts order by all").fetchall() == stored
    home.work_file.write_bytes(b"garbage" * 5_000)
    with warehouse_in_memory(SETTINGS) as new:
        carry_over(new, home)
        assert new.execute("from ops.alerts").fetchall() == []


@pytest.mark.parametrize(
    "rules", [[{"kind": "stale"}, {"kind": "stale"}], [{"kind": "max_pain_moved", "pct": 0}], [{"kind": "stale", "name": "a|b"}]]
)
def test_rules_that_are_ambiguous_or_mean_nothing_are_refused(rules: list[dict[str, object]]) -> None:
    with pytest.raises(ValueError, match=r"`name`|greater than 0|letters"):
        AlertSettings(rules=rules)  # type: ignore[arg-type]
    named: tuple[Rule, ...] = (Stale(kind="stale"), Stale(kind="stale", name="late", level="unavailable"))
    assert len(AlertSettings(rules=named).rules) == 2
