"""Quotes of one snapshot as the models take them: priced from a known market, or read from the recordings.

The readers here are deliberately plain and know nothing of the parsers: they are second opinions.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models.market.calendar import TradingCalendar
from models.market.roots import AM_SETTLED_ROOTS, INDEX_UNDERLYINGS, exercise_of
from models.pricing import black76

QUOTED_AT = datetime(2026, 3, 2, 20)
QUOTES = pl.Schema(
    {
        "venue": pl.String(),
        "instrument": pl.String(),
        "root": pl.String(),
        "book": pl.String(),
        "option_type": pl.String(),
        "strike": pl.Float64(),
        "expires_at": pl.Datetime("us"),
        "exercise": pl.String(),
        "oi_base": pl.Float64(),
        "bid": pl.Float64(),
        "ask": pl.Float64(),
        "mark": pl.Float64(),
        "venue_iv": pl.Float64(),
        "venue_delta": pl.Float64(),
        "venue_gamma": pl.Float64(),
        "venue_forward": pl.Float64(),
        "quoted_at": pl.Datetime("us"),
        "rate": pl.Float64(),
    }
)


def spots(**by_venue: float | None) -> pl.DataFrame:
    return pl.DataFrame({"venue": list(by_venue), "spot": list(by_venue.values())}, schema={"venue": pl.String, "spot": pl.Float64})


def chain(
    *,
    forward: float,
    days: float = 30,
    strikes: Iterable[float] = range(80, 121, 5),
    vol: float | Callable[[float], float] = 0.4,
    half_spread: float = 0.01,
    rate: float = 0.04,
    venue: str = "cboe",
    book: str = "XYZ",
    root: str | None = None,
    **columns: Any,
) -> pl.DataFrame:
    """Calls and puts of one expiry around Black-76 prices; `columns` overwrites whole columns with one value."""
    contracts = [(float(strike), kind) for strike in strikes for kind in "CP"]
    strike = np.array([each for each, _ in contracts])
    sigma = np.array([vol(each) if callable(vol) else vol for each in strike])
    is_call = np.array([kind == "C" for _, kind in contracts])
    prices = black76.price(np.array([forward]), strike, np.array([days / 365]), sigma, is_call, np.exp([-rate * days / 365]))
    expiry = {"venue": venue, "book": book, "root": root or book, "exercise": "european", "oi_base": 100.0, "rate": rate}
    expiry |= {"expires_at": QUOTED_AT + timedelta(days=days), "quoted_at": QUOTED_AT}
    rows = []
    for (each, kind), price in zip(contracts, prices.tolist(), strict=True):
        row = {"instrument": f"{root or book}-{days:g}-{each:g}-{kind}", "option_type": kind, "strike": each}
        row |= {"bid": price - half_spread, "ask": price + half_spread}
        rows.append(dict.fromkeys(QUOTES.names()) | expiry | row | columns)
    return pl.DataFrame(rows, schema=QUOTES)


def edit(quotes: pl.DataFrame, instrument: str, **values: Any) -> pl.DataFrame:
    """The quotes with some values of one contract replaced."""
    assert quotes.filter(instrument=instrument).height == 1
    return quotes.with_columns(
        pl.when(pl.col("instrument") == instrument).then(pl.lit(value, dtype=QUOTES[name])).otherwise(name).alias(name)
        for name, value in values.items()
    )


def recorded_cboe(recordings: Path, capture: str, symbol: str, calendar: TradingCalendar) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Live contracts of one recorded Cboe file, and its spot (the close)."""
    document = json.loads(gzip.decompress((recordings / "cboe" / capture / f"{symbol}.json.gz").read_bytes()))
    underlying, data = symbol.lstrip("_"), document["data"]
    instant = datetime.fromisoformat(document["timestamp"]).replace(tzinfo=UTC)
    quoted_at = instant
    if underlying not in INDEX_UNDERLYINGS:
        close = calendar.close_of(date.fromisoformat(data["last_trade_time"][:10]))
        assert close is not None
        quoted_at = min(instant, close)
    options = pl.DataFrame(data["options"], infer_schema_length=None)
    name = options["option"].str.extract_groups(r"^(?<root>.+?)(?<ymd>\d{6})(?<kind>[CP])(?<k>\d{8})$").struct.unnest()
    is_am = name["root"].is_in(sorted(AM_SETTLED_ROOTS))

    def given(column: str) -> pl.Expr:
        return pl.when(pl.col(column) != 0).then(pl.col(column).cast(pl.Float64))

    quotes = options.select(
        venue=pl.lit("cboe"),
        instrument="option",
        root=name["root"],
        book=pl.lit(underlying),
        option_type=name["kind"],
        strike=name["k"].cast(pl.Float64) / 1000,
        expires_at=calendar.settlement_instants(name["ymd"].str.to_date("%y%m%d"), is_am),
        exercise=pl.lit(exercise_of(underlying)),
        oi_base=pl.col("open_interest").cast(pl.Float64) * 100,
        bid=given("bid"),
        ask=given("ask"),
        mark=given("theo"),
        venue_iv=given("iv"),
        venue_delta=pl.col("delta").cast(pl.Float64),
        venue_gamma=given("gamma"),
        venue_forward=pl.lit(None, dtype=pl.Float64),
        quoted_at=pl.lit(quoted_at.replace(tzinfo=None)).cast(pl.Datetime("us")),
        rate=pl.lit(0.04),
    )
    return quotes.filter(pl.col("expires_at") > instant.replace(tzinfo=None)).sort("instrument"), spots(cboe=data["close"])


def recorded_deribit(recordings: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The recorded Deribit BTC chain, and its index."""
    folder = recordings / "deribit" / "2026-03-13"
    rows = pl.DataFrame(
        json.loads(gzip.decompress((folder / "book_summary_BTC_option.json.gz").read_bytes()))["result"], infer_schema_length=None
    )
    index = json.loads(gzip.decompress((folder / "index_price_btc_usd.json.gz").read_bytes()))["result"]["index_price"]
    parts, forward = rows["instrument_name"].str.split("-"), pl.col("underlying_price")
    quotes = rows.select(
        venue=pl.lit("deribit"),
        instrument="instrument_name",
        root=pl.lit("BTC"),
        book=pl.lit("BTC"),
        option_type=parts.list.get(3),
        strike=parts.list.get(2).cast(pl.Float64),
        expires_at=parts.list.get(1).str.to_date("%d%b%y").cast(pl.Datetime("us")) + pl.duration(hours=8),
        exercise=pl.lit("european"),
        oi_base="open_interest",
        bid=pl.col("bid_price") * forward,
        ask=pl.col("ask_price") * forward,
        mark=pl.col("mark_price") * forward,
        venue_iv=pl.col("mark_iv") / 100,
        venue_delta=pl.lit(None, dtype=pl.Float64),
        venue_gamma=pl.lit(None, dtype=pl.Float64),
        venue_forward=forward,
        quoted_at=pl.from_epoch(pl.col("creation_timestamp").max(), "ms").cast(pl.Datetime("us")),
        rate=pl.lit(0.0),
    )
    return quotes.sort("instrument"), spots(deribit=index)
