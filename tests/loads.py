"""Loading chains by hand into a work file, as runs do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import duckdb

from models.chain import ParsedChain
from models.market.calendar import TradingCalendar
from tests.chains import AT, NEXT_FRIDAY, SETTINGS, chain, listed, run_rows
from warehouse.load.fingerprints import table_hashes
from warehouse.load.merge import SnapshotLoad, load_snapshot
from warehouse.settings import Settings

LATER = timedelta(minutes=10)


class Loader:
    """Loads chains into an open work file, and looks at what is there."""

    def __init__(self, con: duckdb.DuckDBPyConnection, calendar: TradingCalendar, settings: Settings | None = None) -> None:
        self.con, self.calendar, self.settings = con, calendar, settings or SETTINGS

    def __call__(self, *chains: ParsedChain, run_id: str = "run-1", failed: Mapping[str, str] | None = None) -> SnapshotLoad:
        rows = run_rows(*chains, calendar=self.calendar, run_id=run_id, failed=failed)
        return load_snapshot(self.con, rows, calendar=self.calendar, settings=self.settings)

    def hashes(self) -> dict[tuple[str, str], tuple[int, str]]:
        return table_hashes(self.con)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.con.execute(sql).fetchall()

    def one(self, sql: str) -> Any:
        ((value,),) = self.rows(sql)
        return value


def xyz(
    more_calls: int = 0,
    *,
    hours: float = 0,
    late: timedelta = timedelta(0),
    strikes: Sequence[int] = (95, 100, 105),
    expiries: int = 1,
    spot: float = 100.0,
    iv: float = 0.3,
) -> ParsedChain:
    """XYZ some hours after the first snapshot, on weekly expiries; `late` is how much later than usual it was received."""
    at = AT + timedelta(hours=hours)
    rows = [
        row
        for week in range(expiries)
        for strike in strikes
        for row in listed(
            strike, call=strike - 50 + more_calls, put=150 - strike, expires_at=NEXT_FRIDAY + timedelta(weeks=week), venue_iv=iv
        )
    ]
    return chain(rows, at=at, spot=spot, session_date=(at - timedelta(hours=10)).date(), received_at=at + timedelta(minutes=1) + late)
