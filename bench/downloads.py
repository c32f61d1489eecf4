"""Sessions of `_SPX` and `SPY` as Cboe offers them for download, from the recorded replies: what `strikehouse import` is timed on."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path

import orjson
import polars as pl

from bench.prepare import captures, weekdays

NAME = r"^(?P<root>.+?)(?P<ymd>[0-9]{6})(?P<option_type>[CP])(?P<thousandths>[0-9]{8})$"
SIDE = ("last_trade_price", "change", "bid", "ask", "volume", "iv", "delta", "gamma", "open_interest")
HEADINGS = ("Last Sale", "Net", "Bid", "Ask", "Volume", "IV", "Delta", "Gamma", "Open Interest")


def download_folder(folder: Path, recordings: Path, sessions: int) -> Path:
    """A folder with a file per session and underlying."""
    folder.mkdir(parents=True)
    for number, day in enumerate(weekdays(sessions)):
        recorded = captures(recordings)
        for symbol in ("_SPX", "SPY"):
            content = orjson.loads(gzip.decompress((recorded[number % len(recorded)] / f"{symbol}.json.gz").read_bytes()))
            (folder / f"{symbol}-{day:%Y%m%d}.csv").write_text(download(content["data"], symbol, day))
    return folder


def download(data: dict[str, object], symbol: str, day: datetime) -> str:
    """The text of one file: a line per expiry and strike, the call on the left."""
    options = pl.DataFrame(data["options"], infer_schema_length=None)
    names = options["option"].str.extract_groups(NAME).struct.unnest()
    rows = options.with_columns(names).select("root", "ymd", "thousandths", "option_type", "option", *SIDE)
    sides = [
        rows.filter(option_type=kind).drop("option_type").rename({name: f"{kind} {name}" for name in ("option", *SIDE)})
        for kind in ("C", "P")
    ]
    line = sides[0].join(sides[1], on=["root", "ymd", "thousandths"], maintain_order="left")
    cells = line.select(
        ("20" + pl.col("ymd")).str.to_date("%Y%m%d").dt.strftime("%a %b %d %Y"),
        *(f"C {name}" for name in ("option", *SIDE)),
        pl.col("thousandths").cast(pl.Int64) / 1000,
        *(f"P {name}" for name in ("option", *SIDE)),
    )
    side = ",".join(HEADINGS)
    head = [
        "",
        f'"{symbol}","Last: {data["close"]}","Change: 0"',
        f'"Date: {day:%B} {day.day}, {day.year} at 18:40 EDT",Bid: 0,Ask: 0',
        f"Expiration Date,Calls,{side},Strike,Puts,{side}",
    ]
    return "\n".join(head) + "\n" + cells.write_csv(include_header=False)
