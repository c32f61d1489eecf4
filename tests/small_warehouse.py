"""A small warehouse for queries: a coin on three venues at three instants and its settlement, an index with AM and PM settlement."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from flows.run.parse import settlement_rows
from models.chain import ParsedChain
from models.market.calendar import TradingCalendar
from tests.chains import AT, FRIDAY, NEXT_FRIDAY, chain, listed, on_venue, run_rows, settled
from warehouse.load.merge import load_snapshot
from warehouse.load.settlements import load_settlements
from warehouse.settings import Settings
from warehouse.storage.transactions import transaction

FIRST, SECOND, LAST = AT, AT + timedelta(hours=1), AT + timedelta(hours=2)
THIRD_FRIDAY_AM = datetime(2026, 3, 20, 13, 30)
THIRD_FRIDAY_PM = datetime(2026, 3, 20, 20)


def coin(at: datetime, *, shift: int = 0) -> ParsedChain:
    """COIN as Deribit might list it: two expiries, a smile, a strike without volatility, one without known interest."""
    rows: list[dict[str, Any]] = []
    for index, strike in enumerate(range(80, 125, 5)):
        vol = None if strike == 120 else 0.4 + abs(strike - 100) / 200
        rows += listed(strike, call=(index * 7 + shift) % 23, put=(index * 11 + 3) % 19, expires_at=FRIDAY.replace(hour=8), venue_iv=vol)
        rows += listed(
            strike + 1, call=None if index == 2 else index * 3, put=40 - index * 5, expires_at=NEXT_FRIDAY.replace(hour=8), venue_iv=0.5
        )
    return chain(rows, underlying="COIN", venue="deribit", market="crypto", multiplier=1.0, at=at, spot=101.5)


def coin_elsewhere(at: datetime) -> list[ParsedChain]:
    """The same coin on two more venues: more interest at another spot, and fewer strikes."""
    bybit = on_venue(coin(at, shift=5), "bybit", spot=101.9, times=2)
    fewer = list(range(0, 36, 3))
    okx = on_venue(coin(at, shift=9), "okx", spot=101.1)
    okx = chain(okx.quotes[fewer].to_dicts(), underlying="COIN", venue="okx", market="crypto", multiplier=1.0, at=at, spot=101.1)
    return [bybit, okx]


def index(at: datetime) -> ParsedChain:
    """IDX with two expiries on one third Friday: AM with the root of the index, PM with its weekly root."""
    rows: list[dict[str, Any]] = []
    for step, strike in enumerate(range(90, 115, 5)):
        rows += listed(strike, call=step * 10, put=5, expires_at=THIRD_FRIDAY_AM, root="IDX", venue_iv=0.2)
        rows += listed(strike, call=3, put=60 - step * 10, expires_at=THIRD_FRIDAY_PM, root="IDXW", venue_iv=0.25)
        rows += listed(strike, call=1, put=1, expires_at=FRIDAY, root="IDXW", venue_iv=0.3)
    return chain(rows, underlying="IDX", at=at, spot=100.0)


def fill(con: duckdb.DuckDBPyConnection, calendar: TradingCalendar, settings: Settings) -> None:
    """COIN complete, then without Bybit, then on Deribit alone; IDX once."""
    busy = {venue: f"{venue}: HTTP 503. Try later" for venue in ("bybit", "okx")}
    runs: list[tuple[list[ParsedChain], dict[str, str]]] = [
        ([coin(FIRST), *coin_elsewhere(FIRST)], {}),
        ([coin(SECOND, shift=1), coin_elsewhere(SECOND)[1]], {"bybit": busy["bybit"]}),
        ([coin(LAST, shift=2)], busy),
        ([index(FIRST)], {}),
    ]
    for number, (chains, failed) in enumerate(runs):
        load_snapshot(
            con, run_rows(*chains, calendar=calendar, run_id=f"run-{number}", failed=failed), calendar=calendar, settings=settings
        )
    with transaction(con):
        load_settlements(con, settlement_rows([settled("COIN", {FRIDAY.replace(hour=8): 103.5})], run_id="run-2", origin="live"))


def snapshot_id(underlying: str, at: datetime) -> str:
    return f"{underlying}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
