"""From parsed chains to the rows of one snapshot: its instant, which venues are usable, which contracts are live (definitions §1)."""

from __future__ import annotations

import statistics
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as few
from hypothesis import strategies as st

from models.chain import ParsedChain
from models.market.calendar import TradingCalendar
from models.snapshot import describe, snapshot_instant
from tests.chains import AT, FRIDAY, SETTINGS, chain, listed, on_venue, run_rows
from tests.small_warehouse import FIRST, coin
from warehouse.load.merge import VenueRows
from warehouse.settings import CheckSettings

GOOD = [row for strike in range(80, 121, 10) for row in listed(strike, call=10, put=10)]


@pytest.fixture
def rows_of(calendar: TradingCalendar) -> Any:
    """Rows of a run that read these chains, with the usual thresholds."""

    def rows(*chains: ParsedChain, **arguments: Any) -> VenueRows:
        return run_rows(*chains, calendar=calendar, **{"settings": SETTINGS, **arguments})

    return rows


def statuses(rows: VenueRows) -> dict[str, tuple[str, str | None]]:
    return {
        venue: (status, error and error.split(":")[0])
        for venue, status, error in rows.venues.select("venue", "status", "error").iter_rows()
    }


VENUES = ("bybit", "deribit", "okx", "binance")


def coins(*seconds: float, received: float | None = None) -> list[ParsedChain]:
    """The coin on as many venues, each so many seconds after the first snapshot; `received` likewise, or a second after each."""
    return [
        replace(
            on_venue(coin(FIRST), venue),
            venue_instant=FIRST + timedelta(seconds=late),
            received_at=FIRST + timedelta(seconds=late + 1 if received is None else received),
        )
        for venue, late in zip(VENUES, seconds, strict=False)
    ]


def test_the_instant_is_the_median_and_of_an_even_number_the_later_middle_one_cut_to_seconds() -> None:
    def after(*seconds: float) -> datetime:
        return snapshot_instant(coins(*seconds), 600)

    assert after(0.9) == FIRST
    assert after(30, 0, 10) == FIRST + timedelta(seconds=10)
    assert after(0, 10) == FIRST + timedelta(seconds=10)
    assert after(40, 0.2, 10.7, 30) == FIRST + timedelta(seconds=30)


def test_of_two_venues_the_one_an_hour_off_is_refused_whether_it_lags_or_is_ahead(rows_of: Any) -> None:
    for off in (-3600, 3600):
        rows = rows_of(*coins(off, 0, received=1))
        assert statuses(rows) == {"bybit": ("rejected", "stale_clock"), "deribit": ("ok", None)}
        assert rows.snapshot_id == "COIN-20260302T220000Z"


def test_venues_that_are_all_ahead_of_our_clock_are_taken_at_their_word(rows_of: Any) -> None:
    rows = rows_of(*coins(0, 5, received=-7200))
    assert statuses(rows) == {"bybit": ("ok", None), "deribit": ("ok", None)}


LISTED_COINS = coins(*(0 for _ in VENUES))
OFFSETS = st.sampled_from([-86_400, -3600, -601, -300, 0, 7, 599, 600, 601, 3600, 86_400])


@few(deadline=None, max_examples=200)
@given(offsets=st.lists(OFFSETS, min_size=1, max_size=4), received=st.sampled_from([-7200, 0, 7200]))
def test_our_clock_decides_only_where_the_median_is_in_the_future_and_another_venue_is_not(offsets: list[int], received: int) -> None:
    arrived = FIRST + timedelta(seconds=received)
    chains = [
        replace(one, venue_instant=FIRST + timedelta(seconds=offset), received_at=arrived)
        for one, offset in zip(LISTED_COINS, offsets, strict=False)
    ]
    offset_s = (snapshot_instant(chains, 600) - FIRST).total_seconds()
    median = sorted(offsets)[len(offsets) // 2]
    past = [offset for offset in offsets if offset - received <= 600]
    if median - received <= 600 or not past:
        assert offset_s == median, "the definition, to the letter"
    else:
        assert offset_s == statistics.median_high(past), "of those that may be right"
    if past and max(past) - min(past) <= 600:
        assert all(abs(offset - offset_s) <= 600 for offset in past), "no venue from the future has a healthy one refused"
    shuffled = snapshot_instant(chains[::-1], 600)
    assert shuffled == snapshot_instant(chains, 600), "the order of venues is no matter"


def test_the_snapshot_is_named_after_its_instant(rows_of: Any) -> None:
    rows = rows_of(*coins(-5, 0.7, 9))
    assert rows.snapshot_id == "COIN-20260302T220000Z"
    assert set(rows.quotes["snapshot_id"]) == {rows.snapshot_id}
    snapshot = describe(rows.venues, rows.quotes, settings_hash="x").row(0, named=True)
    assert (snapshot["venues"], snapshot["status"], snapshot["venue_spread_seconds"]) == ("bybit,deribit,okx", "complete", 14)


def test_a_venue_ten_minutes_off_is_refused_and_the_median_does_not_move(rows_of: Any) -> None:
    rows = rows_of(*coins(-601, 0, 5))
    assert statuses(rows) == {"bybit": ("rejected", "stale_clock"), "deribit": ("ok", None), "okx": ("ok", None)}
    assert rows.snapshot_id == "COIN-20260302T220000Z"
    assert statuses(rows_of(*coins(-600, 0, 5)))["bybit"] == ("ok", None)
    snapshot = describe(rows.venues, rows.quotes, settings_hash="x").row(0, named=True)
    assert (snapshot["status"], snapshot["venues_missing"]) == ("partial", "bybit")


def test_a_venue_without_contracts_or_without_spot_is_not_usable(rows_of: Any) -> None:
    first, second, third = coins(0, 0, 0)
    rows = rows_of(first, replace(second, quotes=second.quotes.clear(), venue_instant=FIRST + timedelta(days=9)), replace(third, spot=None))
    assert statuses(rows) == {
        "bybit": ("ok", None),
        "deribit": ("empty", "the venue lists no contract of it"),
        "okx": ("rejected", "no_spot"),
    }
    assert rows.snapshot_id == "COIN-20260302T220000Z", "a venue that lists nothing has no say"


def test_a_contract_is_live_until_it_settles_and_never_when_it_is_adjusted(rows_of: Any) -> None:
    at = AT.replace(tzinfo=None)
    rows = rows_of(
        chain(
            [
                *GOOD,
                *listed(100, call=1, expires_at=at, root="AT"),
                *listed(100, call=1, expires_at=at + timedelta(seconds=1), root="AFTER"),
                *listed(100, call=1, root="XYZ1", is_adjusted=True),
            ]
        )
    )
    live = dict(rows.quotes.select("root", "is_live").unique().iter_rows())
    assert live == {"XYZ": True, "AT": False, "AFTER": True, "XYZ1": False}
    assert rows.venues.select("contracts", "live_contracts", "oi_base_total").row(0) == (13, 11, 10_300)


def test_time_runs_from_the_close_for_stocks_and_from_the_venue_instant_for_indices_and_coins(rows_of: Any) -> None:
    evening = datetime(2026, 3, 2, 22, tzinfo=UTC)
    inside = datetime(2026, 3, 2, 18, tzinfo=UTC)

    def quoted_at(one: ParsedChain) -> datetime:
        (instant,) = set(rows_of(one).quotes["quoted_at"])
        return instant

    assert quoted_at(chain(GOOD, at=evening)) == datetime(2026, 3, 2, 21), "16:00 New York"
    assert quoted_at(chain(GOOD, at=inside)) == inside.replace(tzinfo=None)
    assert quoted_at(chain(GOOD, at=evening, session_date=date(2026, 2, 27))) == datetime(2026, 2, 27, 21), "a file of the session before"
    assert quoted_at(chain(GOOD, at=evening, underlying="SPX")) == evening.replace(tzinfo=None)
    assert quoted_at(coin(FIRST)) == FIRST.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("at", "oi_as_of"),
    [
        (datetime(2026, 3, 2, 22, tzinfo=UTC), date(2026, 2, 27)),  # Monday evening: Friday's
        (datetime(2026, 3, 3, 4, tzinfo=UTC), date(2026, 2, 27)),  # Monday night in New York
        (datetime(2026, 3, 3, 11, tzinfo=UTC), date(2026, 2, 27)),  # Tuesday 06:00 New York: not updated yet
        (datetime(2026, 3, 3, 11, 30, tzinfo=UTC), date(2026, 3, 2)),
    ],
)
def test_open_interest_of_us_feeds_is_of_the_session_before(rows_of: Any, at: datetime, oi_as_of: date) -> None:
    assert rows_of(chain(GOOD, at=at, session_date=date(2026, 3, 2))).venues["oi_as_of"].item() == oi_as_of


def test_coins_belong_to_the_utc_day_of_their_snapshot(rows_of: Any) -> None:
    venues = rows_of(coin(datetime(2026, 3, 2, 23, 59, tzinfo=UTC))).venues
    assert venues.select("session_date", "oi_as_of").row(0) == (date(2026, 3, 2), date(2026, 3, 2))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (GOOD, None),
        ([row | {"oi_base": 0} for row in GOOD], "no_open_interest"),
        ([row | {"oi_base": None} for row in GOOD], "no_open_interest"),
        ([row | {"oi_base": 9.9e8 / len(GOOD)} for row in GOOD], None),  # contracts of 100
        ([row | {"oi_base": 1e9 / len(GOOD)} for row in GOOD], "absurd_open_interest"),
        ([row for row in GOOD if row["option_type"] == "C"], "side_gone"),
        ([row for row in GOOD if row["option_type"] == "P"], "side_gone"),
        ([row | {"expires_at": datetime(2026, 3, 2, 21)} for row in GOOD], "no_live_contract"),
        ([row | {"is_adjusted": True} for row in GOOD], "no_live_contract"),
        ([row | {"venue_iv": None} for row in GOOD], "no_prices"),
        ([row | {"venue_iv": None, "bid": 0.0, "ask": 1.0} for row in GOOD], "no_prices"),
        ([row | {"venue_iv": None, "bid": 2.0, "ask": 1.0} for row in GOOD], "no_prices"),
        ([row | {"venue_iv": None, "bid": 1.0, "ask": 1.0} for row in GOOD], None),
        ([row | {"venue_iv": None, "mark": 1.0} for row in GOOD], None),
        ([row | {"venue_iv": None} if index % 2 else row for index, row in enumerate(GOOD)], None),
        ([row | {"venue_iv": None} if index % 2 or index < 2 else row for index, row in enumerate(GOOD)], "no_prices"),
        ([row | {"venue_iv": None, "oi_base": 0} if index < 8 else row for index, row in enumerate(GOOD)], None),
    ],
)  # fmt: skip
def test_a_chain_is_refused_as_a_whole_when_it_is_plainly_broken(rows_of: Any, rows: list[dict[str, Any]], reason: str | None) -> None:
    assert statuses(rows_of(chain(rows))) == {"cboe": ("rejected" if reason else "ok", reason)}


def test_thresholds_of_broken_chains_are_settings(rows_of: Any) -> None:
    half = [row for row in GOOD if row["option_type"] == "C" or row["strike"] > 100]
    strict = SETTINGS.model_copy(update={"checks": CheckSettings(min_side_share=0.4)})
    assert statuses(rows_of(chain(half))) == {"cboe": ("ok", None)}
    assert statuses(rows_of(chain(half), settings=strict)) == {"cboe": ("rejected", "side_gone")}


def test_a_failed_venue_is_a_row_with_its_error_and_nothing_else(rows_of: Any) -> None:
    rows = rows_of(coin(FIRST), failed={"okx": "okx: HTTP 503. Try later"})
    row = rows.venues.filter(venue="okx").row(0, named=True)
    assert (row["status"], row["error"], row["market"]) == ("failed", "okx: HTTP 503. Try later", "crypto")
    assert {
        row[name] for name in ("captured_at", "received_at", "spot", "contracts", "live_contracts", "oi_base_total", "content_hash")
    } == {None}


def test_open_interest_totals_are_exact(rows_of: Any) -> None:
    tenths = [row | {"oi_base": 0.1 * index} for index, row in enumerate(GOOD)]
    one = replace(
        chain(tenths, market="crypto", multiplier=1.0), quotes=chain(tenths, multiplier=1.0).quotes.with_columns(pl.col("oi_base").round(1))
    )
    assert rows_of(one).venues["oi_base_total"].item() == 4.5
    assert FRIDAY in set(rows_of(one).quotes["expires_at"])
