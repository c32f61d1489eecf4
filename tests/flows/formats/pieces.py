"""Files by hand: small downloads and tables, as text."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from flows.formats.registry import importer
from models.chain import ParsedChain, RawPayload
from models.market.calendar import TradingCalendar

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
CBOE_DATE = "Date: March 2, 2026 at 4:45 PM EST"  # a Monday, after the close
CBOE_HEADER = (
    "Expiration Date,Calls,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest,Strike,"
    "Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest"
)
NEXT_FRIDAY, SUMMER, AUTUMN = date(2026, 3, 6), date(2026, 6, 18), date(2026, 9, 18)


def payload(body: bytes | str, format: str = "cboe-csv", name: str = "file") -> RawPayload:
    body = body.encode() if isinstance(body, str) else body
    return RawPayload("test", format, name, name, {}, 200, {}, body, NOW, NOW)


def chains(body: bytes | str, format: str, calendar: TradingCalendar, mapping: Mapping[str, Any] | None = None) -> list[ParsedChain]:
    return list(importer(format, mapping).parse(payload(body, format), calendar))


def cboe_line(
    strike: float,
    expiry: date = NEXT_FRIDAY,
    *,
    root: str = "XYZ",
    call: str = "2.5,2.6,10,0.25,0.5,0.02,100",
    put: str = "2.4,2.5,20,0.26,-0.5,0.02,200",
) -> str:
    """One row: of a side bid, ask, volume, IV, delta, gamma, open interest."""
    names = [f"{root}{expiry:%y%m%d}{kind}{round(strike * 1000):08d}" for kind in "CP"]
    return f"{expiry:%a %b %d %Y},{names[0]},1,0,{call},{strike:.2f},{names[1]},1,0,{put}"


def cboe_text(
    lines: Sequence[str],
    *,
    date_line: str = f'"{CBOE_DATE}",Bid: 99.9,Ask: 100.1,Size: 1*1,Volume: 0',
    last: str = "XYZ Inc,Last: 100,Change:  1.5",
) -> str:
    return "\n".join(["", last, date_line, CBOE_HEADER, *lines]) + "\n"


def whole_chain(*, root: str = "XYZ", put_oi: int = 200) -> list[str]:
    """A small chain that reaches far and wide enough to be whole."""
    lines = []
    for expiry in (NEXT_FRIDAY, SUMMER, AUTUMN):
        for strike in range(70, 131, 10):
            delta = round(min(max((130 - strike) / 60, 0.01), 0.99), 2)
            side = f"2.4,2.5,20,0.26,{{}},0.02,{put_oi + strike}"
            lines.append(
                cboe_line(strike, expiry, root=root, call=f"2.5,2.6,10,0.25,{delta},0.02,{strike}", put=side.format(round(delta - 1, 2)))
            )
    return lines


def unpacked(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes())


def read_rows(file: Path) -> list[list[str]]:
    """Cells of a packed CSV, read by other means than ours."""
    return list(csv.reader(unpacked(file).decode().splitlines()))
