"""Downloads in a folder, and what the command says of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from tests.flows.conftest import Cli, Said
from tests.flows.formats.pieces import AUTUMN, SUMMER, cboe_line, cboe_text, whole_chain
from warehouse.home.paths import Home
from warehouse.read.query import query

MONDAY = date(2026, 3, 2)


def download(day: date = MONDAY, *, hour: int = 16, lines: Iterable[str] | None = None, root: str = "XYZ") -> str:
    zone = "EST" if day < date(2026, 3, 8) else "EDT"
    date_line = f'"Date: {day:%B} {day.day}, {day.year} at {hour}:45 {zone}",Bid: 0,Ask: 0'
    return cboe_text(whole_chain(root=root, put_oi=day.day) if lines is None else list(lines), date_line=date_line)


def near_the_money(day: date = MONDAY) -> str:
    side = "2.5,2.6,10,0.25,{},0.02,100"
    expiries = (SUMMER, AUTUMN)
    return download(
        day,
        lines=[cboe_line(strike, expiry, call=side.format(0.5), put=side.format(-0.5)) for expiry in expiries for strike in range(98, 103)],
    )


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text)


def rows(cli: Cli, sql: str) -> list[tuple[Any, ...]]:
    return query(cli.home, sql).rows()


def load(cli: Cli, *paths: Path, format: str = "cboe-csv", more: tuple[str, ...] = ()) -> Said:
    return cli("import", *map(str, paths), "--format", format, *more)


def archived(home: Home) -> list[str]:
    return sorted(path.relative_to(home.raw).as_posix() for path in home.raw.rglob("*.zst"))
