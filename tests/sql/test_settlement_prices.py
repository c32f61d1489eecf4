"""At what price options settled: closes out of later snapshots, delivery prices, and nothing where nobody says so (definitions §10)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest

from flows.run.parse import settlement_rows
from models.chain import ParsedChain
from models.market.calendar import TradingCalendar
from tests.chains import AT, FRIDAY, chain, listed, settled
from tests.loads import Loader
from warehouse.load.settlements import load_settlements

MORNING = datetime(2026, 3, 20, 13, 30)  # 09:30 New York, a third Friday
AFTER_FRIDAY = FRIDAY.replace(tzinfo=UTC) + timedelta(minutes=30)
MONDAY_NOON = datetime(2026, 3, 9, 16, tzinfo=UTC)


@pytest.fixture
def load(work: duckdb.DuckDBPyConnection, calendar: TradingCalendar) -> Loader:
    return Loader(work, calendar)


def us(
    at: datetime = AT,
    *,
    session: date | None = None,
    close: float | None = 100.0,
    previous: float | None = None,
    expires_at: datetime = FRIDAY,
) -> ParsedChain:
    """XYZ with options that settle then, and some that settle much later, so that the chain stays alive."""
    rows = [
        row
        for instant in (expires_at, datetime(2026, 6, 18, 20))
        for strike in (90, 100, 110)
        for row in listed(strike, call=100, put=50, expires_at=instant, venue_iv=0.3)
    ]
    return replace(chain(rows, at=at, session_date=session or at.date()), spot_close=close, prev_day_close=previous)


def prices(load: Loader) -> list[tuple[datetime, float, str]]:
    return load.rows("select expires_at, settlement_price, source from core.settlement_prices order by underlying, expires_at")


def put(load: Loader, underlying: str, at: datetime, price: float, source: str, **more: object) -> None:
    load_settlements(load.con, settlement_rows([settled(underlying, {at: price}, source=source, **more)], run_id="run-9", origin="import"))  # type: ignore[arg-type]


def test_the_close_after_the_close_is_the_settlement(load: Loader) -> None:
    load(us())
    load(us(AFTER_FRIDAY, close=101.25))
    assert prices(load) == [(FRIDAY, 101.25, "close")]
    assert load.one("select settlement_snapshot_id from core.settlement_prices") == "XYZ-20260306T213000Z"


def test_a_close_seen_during_the_session_is_not(load: Loader) -> None:
    load(us())
    load(us(FRIDAY.replace(tzinfo=UTC) - timedelta(minutes=30), close=101.25))
    assert prices(load) == []


def test_of_several_closes_the_last_one_seen_counts(load: Loader) -> None:
    load(us())
    load(us(AFTER_FRIDAY + timedelta(hours=2), close=101.5))
    load(us(AFTER_FRIDAY, close=101.25))
    assert prices(load) == [(FRIDAY, 101.5, "close")]


def test_without_one_the_next_session_tells_the_previous_close(load: Loader) -> None:
    load(us())
    load(us(MONDAY_NOON, close=None, previous=101.75))
    assert prices(load) == [(FRIDAY, 101.75, "prev_day_close")]
    load(us(AFTER_FRIDAY, close=101.25))
    assert prices(load) == [(FRIDAY, 101.25, "close")], "the session's own close is preferred"


@pytest.mark.parametrize(
    ("at", "session"),
    [
        (datetime(2026, 3, 9, 13, tzinfo=UTC), date(2026, 3, 6)),  # 09:00 New York: the session has not begun
        (datetime(2026, 3, 9, 13, 35, tzinfo=UTC), date(2026, 3, 6)),  # 09:35, but the delayed feed still shows Friday
        (datetime(2026, 3, 10, 16, tzinfo=UTC), date(2026, 3, 10)),  # Tuesday's previous close is Monday's
    ],
)
def test_a_previous_close_of_another_session_is_not_taken(load: Loader, at: datetime, session: date) -> None:
    load(us())
    load(us(at, session=session, close=None, previous=99.0))
    assert [price for price in prices(load) if price[0] == FRIDAY] == []


def test_an_early_close_settles_at_its_own_instant(load: Loader) -> None:
    early = datetime(2026, 11, 27, 18)  # 13:00 New York, the day after Thanksgiving
    at = early.replace(tzinfo=UTC)
    rows = [row for strike in (90, 100, 110) for row in listed(strike, call=9, put=5, expires_at=early)]
    later = [row for strike in (90, 100, 110) for row in listed(strike, call=9, put=5, expires_at=datetime(2026, 12, 18, 21))]
    load(chain([*rows, *later], at=at - timedelta(days=2), session_date=date(2026, 11, 25)))
    load(replace(chain(later, at=at + timedelta(hours=1), session_date=date(2026, 11, 27)), spot_close=103.0))
    assert prices(load) == [(early, 103.0, "close")]


def test_a_morning_settlement_is_known_only_from_an_import(load: Loader) -> None:
    load(us(expires_at=MORNING))
    load(us(MORNING.replace(hour=21, tzinfo=UTC), close=104.0, previous=103.0))
    assert prices(load) == []
    put(load, "XYZ", MORNING, 103.5, "cboe set")
    assert prices(load) == [(MORNING, 103.5, "cboe set")]


def test_a_close_at_which_nothing_settles_is_no_settlement_price(load: Loader) -> None:
    """VIX closes each day at 16:00 New York and settles only in the morning."""
    load(us(expires_at=MORNING))
    load(us(AFTER_FRIDAY, close=20.0, expires_at=MORNING))
    assert prices(load) == []


def test_an_imported_price_is_used_where_no_snapshot_shows_the_close(load: Loader) -> None:
    load(us())
    put(load, "XYZ", FRIDAY, 101.0, "exchange")
    assert prices(load) == [(FRIDAY, 101.0, "exchange")]
    load(us(AFTER_FRIDAY, close=101.25))
    assert prices(load) == [(FRIDAY, 101.25, "close")]


def test_for_coins_deribit_comes_first_and_its_coin_index_before_that_in_usdc(load: Loader) -> None:
    at = datetime(2026, 3, 6, 8)
    put(load, "BTC", at, 3.0, "bybit")
    assert prices(load) == [(at, 3.0, "bybit")]
    put(load, "BTC", at, 2.0, "deribit:btc_usdc")
    assert prices(load) == [(at, 2.0, "deribit:btc_usdc")]
    put(load, "BTC", at, 1.0, "deribit:btc_usd")
    assert prices(load) == [(at, 1.0, "deribit:btc_usd")]


def test_a_venue_that_was_set_aside_tells_no_close(load: Loader) -> None:
    load(us())
    load(us(AFTER_FRIDAY, close=101.25))
    load.con.execute("update core.snapshot_venues set status = 'rejected' where snapshot_id = 'XYZ-20260306T213000Z'")
    assert prices(load) == []
