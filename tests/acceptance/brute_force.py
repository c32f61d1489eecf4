"""A second reading of recorded replies, straight from their JSON, and pain by brute force.

Nothing of the project is used here: names are split by another expression, instants come from zoneinfo, and every candidate settlement
is tried against every strike. Open interest and strikes are whole numbers (lots, thousandths), so sums are exact.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

NEW_YORK = ZoneInfo("America/New_York")
CBOE_CAPTURES = ("2026-07-22", "2026-07-23", "2026-07-24", "2026-07-27", "2026-07-28", "2026-07-31", "2026-08-03")
# No expiry that these recordings list falls on a day that closes early.
AM, PM = time(9, 30), time(16)
MONTHS = {name: number for number, name in enumerate("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), start=1)}


@dataclass
class Expiry:
    """Open interest of one settlement instant: strike (thousandths of a USD) → lots, and which strikes are listed."""

    calls: dict[int, int] = field(default_factory=dict)
    puts: dict[int, int] = field(default_factory=dict)

    def add(self, kind: str, strike: int, lots: int) -> None:
        side = self.calls if kind == "C" else self.puts
        side[strike] = side.get(strike, 0) + lots

    def absorb(self, other: Expiry) -> None:
        for kind, side in (("C", other.calls), ("P", other.puts)):
            for strike, lots in side.items():
                self.add(kind, strike, lots)


@dataclass
class Recording:
    """One recorded chain as this reader understands it; instants are naive UTC."""

    captured_at: datetime
    session_date: date | None
    lots_per_base: float  # open interest in units of the underlying = lots / this
    contracts: int
    total_lots: int
    live: dict[datetime, Expiry]
    settled: dict[datetime, int]  # instant → contracts that are still listed
    oi_vector: dict[str, int]


@dataclass(frozen=True)
class Curve:
    """Pain at each listed strike, in USD."""

    strikes: list[float]
    calls: list[float]
    puts: list[float]

    @property
    def minimum(self) -> tuple[float, float, float] | None:
        """Lowest and highest strike tied with the least pain, and that pain; strikes within a billionth of it are tied."""
        total = [call + put for call, put in zip(self.calls, self.puts, strict=True)]
        least = min(total)
        tied = [strike for strike, pain in zip(self.strikes, total, strict=True) if pain <= least + 1e-9 * max(least, 1)]
        return tied[0], tied[-1], least


def read_cboe(folder: Path, capture: str, symbol: str) -> Recording:
    document = json.loads(gzip.decompress((folder / "cboe" / capture / f"{symbol}.json.gz").read_bytes()))
    captured_at = datetime.strptime(document["timestamp"], "%Y-%m-%d %H:%M:%S")
    traded_at = datetime.strptime(document["data"]["last_trade_time"], "%Y-%m-%dT%H:%M:%S")
    rows = []
    for option in document["data"]["options"]:
        root, day, kind, strike = re.fullmatch(r"(.+)(\d\d\d\d\d\d)(.)(\d{8})", option["option"]).groups()
        at = AM if root == "SPX" else PM
        settles = datetime.combine(datetime.strptime(day, "%y%m%d"), at, NEW_YORK).astimezone(UTC).replace(tzinfo=None)
        rows.append((option["option"], settles, kind, int(strike), round(option["open_interest"] * 100)))
    return _recording(rows, captured_at, traded_at.date(), 1.0)


def read_deribit(folder: Path) -> Recording:
    document = json.loads(gzip.decompress((folder / "deribit" / "2026-03-13" / "book_summary_BTC_option.json.gz").read_bytes()))
    rows, newest = [], 0
    for option in document["result"]:
        _, day, strike, kind = option["instrument_name"].split("-")
        number, month, year = re.fullmatch(r"(\d+)([A-Z]+)(\d\d)", day).groups()
        settles = datetime(2000 + int(year), MONTHS[month], int(number), 8)
        rows.append((option["instrument_name"], settles, kind, int(strike) * 1000, round(option["open_interest"] * 10)))
        newest = max(newest, option["creation_timestamp"])
    captured_at = datetime(1970, 1, 1) + timedelta(milliseconds=newest)
    return _recording(rows, captured_at.replace(microsecond=0), None, 10.0)


def _recording(
    rows: list[tuple[str, datetime, str, int, int]], captured_at: datetime, session_date: date | None, lots_per_base: float
) -> Recording:
    live: dict[datetime, Expiry] = {}
    settled: dict[datetime, int] = {}
    for _, settles, kind, strike, lots in rows:
        if settles > captured_at:
            live.setdefault(settles, Expiry()).add(kind, strike, lots)
        else:
            settled[settles] = settled.get(settles, 0) + 1
    vector = {name: lots for name, *_, lots in rows}
    return Recording(captured_at, session_date, lots_per_base, len(rows), sum(vector.values()), live, settled, vector)


def pooled(expiries: dict[datetime, Expiry]) -> Expiry:
    everything = Expiry()
    for expiry in expiries.values():
        everything.absorb(expiry)
    return everything


def pain(expiry: Expiry, lots_per_base: float) -> Curve:
    """Every candidate against every strike."""
    strikes = np.array(sorted(expiry.calls.keys() | expiry.puts.keys()), dtype=np.int64)
    calls = np.array([expiry.calls.get(strike, 0) for strike in strikes.tolist()], dtype=np.int64)
    puts = np.array([expiry.puts.get(strike, 0) for strike in strikes.tolist()], dtype=np.int64)
    above = strikes[:, None] - strikes[None, :]  # settlement over strike
    usd = 1000 * lots_per_base
    call_pain = (np.maximum(above, 0) * calls[None, :]).sum(axis=1)
    put_pain = (np.maximum(-above, 0) * puts[None, :]).sum(axis=1)
    return Curve((strikes / 1000).tolist(), (call_pain / usd).tolist(), (put_pain / usd).tolist())
