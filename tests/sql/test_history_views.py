"""Views over several snapshots: what changed since open interest was last taken, and how max pain drifted (definitions §11)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import duckdb
import polars as pl
import pytest

from models.chain import ParsedChain
from models.market.calendar import TradingCalendar
from tests.chains import AT, FRIDAY, NEXT_FRIDAY, chain, listed, on_venue
from tests.loads import Loader

MONDAY = datetime(2026, 3, 2, 22, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


@pytest.fixture
def load(work: duckdb.DuckDBPyConnection, calendar: TradingCalendar) -> Loader:
    return Loader(work, calendar)


def us(at: datetime, *, call: int | None = 100, strikes: tuple[int, ...] = (90, 100, 110), session: date | None = None) -> ParsedChain:
    rows = [row for strike in strikes for row in listed(strike, call=call, put=50, expires_at=FRIDAY, venue_iv=0.3)]
    return chain(rows, at=at, session_date=session or at.date(), spot=100.0)


def coin(at: datetime, call: int, venue: str = "deribit") -> ParsedChain:
    rows = [
        row for strike in (90, 100, 110) for row in listed(strike, call=call, put=5, expires_at=NEXT_FRIDAY.replace(hour=8), venue_iv=0.5)
    ]
    made = chain(rows, underlying="COIN", venue="deribit", market="crypto", multiplier=1.0, at=at, spot=100.0)
    return made if venue == "deribit" else on_venue(made, venue, spot=100.0)


def changes(
    con: duckdb.DuckDBPyConnection, at: datetime, scope: str = "all", strike: float = 100.0
) -> dict[str, tuple[float | None, str | None]]:
    """Option type → change and reason, at one strike."""
    rows = con.execute(
        "select option_type, oi_change, oi_change_reason from marts.oi_change where captured_at = ? and scope_venue = ? and strike = ? order by 1",
        [at.replace(tzinfo=None), scope, strike],
    ).fetchall()
    return {kind: (change, reason) for kind, change, reason in rows}


def test_open_interest_of_the_next_session_is_compared_with_the_one_before(load: Loader) -> None:
    load(us(MONDAY))
    load(us(TUESDAY, call=130))
    assert changes(load.con, MONDAY) == {"C": (None, "no_earlier_snapshot"), "P": (None, "no_earlier_snapshot")}
    assert changes(load.con, TUESDAY) == {"C": (3_000.0, None), "P": (0.0, None)}  # shares; no change is 0


def test_a_second_look_at_the_same_open_interest_is_compared_with_the_session_before(load: Loader) -> None:
    """Both snapshots of Tuesday show Monday's open interest: neither is compared with the other."""
    load(us(MONDAY))
    load(us(TUESDAY, call=130))
    later = TUESDAY + timedelta(hours=1)
    load(us(later, call=130, session=TUESDAY.date()))
    assert changes(load.con, later) == changes(load.con, TUESDAY) == {"C": (3_000.0, None), "P": (0.0, None)}


def test_a_new_listing_has_no_change_and_says_so(load: Loader) -> None:
    load(us(MONDAY))
    load(us(TUESDAY, strikes=(90, 100, 105, 110)))
    assert changes(load.con, TUESDAY, strike=105.0) == {"C": (None, "new_listing"), "P": (None, "new_listing")}


def test_unknown_open_interest_has_no_change_and_says_so(load: Loader) -> None:
    load(us(MONDAY))
    load(us(TUESDAY, call=None))
    assert changes(load.con, TUESDAY) == {"C": (None, "not_measured"), "P": (0.0, None)}


def test_in_crypto_each_hour_is_compared_with_the_hour_before(load: Loader) -> None:
    for hour, call in enumerate((10, 12, 11)):
        load(coin(AT + timedelta(hours=hour), call))
    assert [changes(load.con, AT + timedelta(hours=hour))["C"] for hour in range(3)] == [
        (None, "no_earlier_snapshot"),
        (2.0, None),
        (-1.0, None),
    ]


def test_all_venues_are_compared_with_a_snapshot_of_the_same_venues(load: Loader) -> None:
    """What a missing venue holds has not been closed."""
    load(coin(AT, 10), coin(AT, 20, "bybit"))
    load(coin(AT + timedelta(hours=1), 11), failed={"bybit": "HTTP 503"})
    load(coin(AT + timedelta(hours=2), 12), coin(AT + timedelta(hours=2), 25, "bybit"))
    middle, last = AT + timedelta(hours=1), AT + timedelta(hours=2)
    assert changes(load.con, middle)["C"] == (None, "no_earlier_snapshot")
    assert changes(load.con, middle, "deribit")["C"] == (1.0, None)
    assert changes(load.con, last)["C"] == (7.0, None)
    assert changes(load.con, last, "deribit")["C"] == (1.0, None)
    assert changes(load.con, last, "bybit")["C"] == (5.0, None)


def test_change_does_not_depend_on_the_order_of_loading(load: Loader) -> None:
    load(us(TUESDAY, call=130))
    assert changes(load.con, TUESDAY)["C"] == (None, "no_earlier_snapshot")
    load(us(MONDAY))
    assert changes(load.con, TUESDAY)["C"] == (3_000.0, None)


def test_max_pain_drift_follows_an_expiry_from_snapshot_to_snapshot(load: Loader) -> None:
    for hour, strike in enumerate((90, 110, 100)):
        rows = [
            row
            for k in (90, 100, 110)
            for row in listed(
                k, call=500 if k == strike else 1, put=500 if k == strike else 1, expires_at=NEXT_FRIDAY.replace(hour=8), venue_iv=0.5
            )
        ]
        load(chain(rows, underlying="COIN", venue="deribit", market="crypto", multiplier=1.0, at=AT + timedelta(hours=hour), spot=100.0))
    drift = load.con.execute(
        "select max_pain_strike, drift_usd, drift_pct, drift_hours, drift_since_first_usd from marts.max_pain_drift where scope_venue = 'all' order by captured_at"
    ).fetchall()
    assert drift == [(90.0, None, None, None, 0.0), (110.0, 20.0, 20.0, 1.0, 20.0), (100.0, -10.0, -10.0, 1.0, 10.0)]


def test_the_view_agrees_with_polars(load: Loader) -> None:
    """Every cell of every scope, by a plain join of the two snapshots' cells."""
    load(coin(AT, 10), coin(AT, 20, "bybit"))
    later = AT + timedelta(hours=1)
    load(coin(later, 12), coin(later, 17, "bybit"))
    cells = load.con.execute("from marts.gex_heatmap").pl()
    key = ["scope_venue", "expires_at", "strike"]
    now, before = (cells.filter(captured_at=at.replace(tzinfo=None)).select(*key, "call_oi", "put_oi") for at in (later, AT))
    joined = now.join(before, on=key, suffix="_before")
    for kind, side in (("C", "call_oi"), ("P", "put_oi")):
        ours = load.con.execute(
            "from marts.oi_change where captured_at = ? and option_type = ? order by scope_venue, expires_at, strike",
            [later.replace(tzinfo=None), kind],
        ).pl()
        theirs = joined.sort(key).select(pl.col(side) - pl.col(f"{side}_before")).to_series()
        assert ours["oi_change"].to_list() == theirs.to_list()
