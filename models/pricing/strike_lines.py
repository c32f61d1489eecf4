"""Call and put of each strike in one row: the input of ladder, smile and density of one snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl

from models.line_numbers import CONTRACT, LINE, LineNumbers, first_rows, in_order, line_numbers
from models.pricing.black76 import Bools, Floats
from models.pricing.forwards import EXPIRY

STRIKE_LINES = pl.Schema(
    {
        "venue": pl.String(),
        "book": pl.String(),
        "root": pl.String(),
        "expires_at": pl.Datetime("us"),
        "strike": pl.Float64(),
        "spot": pl.Float64(),
        "forward": pl.Float64(),
        "forward_source": pl.String(),
        "tau": pl.Float64(),  # years, not floored
        "discount": pl.Float64(),
        "iv": pl.Float64(),  # one for call and put
        "call_bid": pl.Float64(),
        "call_ask": pl.Float64(),
        "call_oi": pl.Float64(),
        "put_bid": pl.Float64(),
        "put_ask": pl.Float64(),
        "put_oi": pl.Float64(),
    }
)


def strike_lines(quotes: pl.DataFrame, greeks: pl.DataFrame, spots: pl.DataFrame, *, rate: float) -> pl.DataFrame:
    """One row per venue, book, root, expires_at, strike, as `STRIKE_LINES`; null where a side is not listed or not quoted.

    `quotes`: rows of `core.option_quotes` of one snapshot; `greeks`: its rows of `core.option_greeks`, which define the live contracts;
    `spots`: venue, spot; `rate`: of the discount factor e^(−rate·tau). Sorted by venue, book, expires_at, strike; of roots that share a
    strike the one with more open interest comes first, then by name.
    """
    rows = _priced(quotes.select(*LINE, "instrument", "option_type", "bid", "ask", "oi_base"), greeks)
    numbers = line_numbers(rows)
    series = numbers.series.join(spots.select("venue", "spot"), on="venue", how="left", maintain_order="left")
    first = rows.select("forward", "forward_source", "tau", "iv")[numbers.first(np.ones(rows.height, dtype=np.bool_))]
    is_call = (rows["option_type"] == "C").to_numpy()
    lines = pl.concat([series[numbers.of_line], first], how="horizontal").with_columns(
        *_side(rows, numbers, is_call, "call"),
        *_side(rows, numbers, ~is_call, "put"),
        strike=numbers.strike,
        discount=np.exp(-rate * first["tau"].to_numpy()),
    )
    expiry = series.select(pl.struct(EXPIRY).rle_id()).to_series().to_numpy()
    if np.unique(expiry).size < series.height:  # roots that settle at one instant
        open_interest = lines.select(pl.sum_horizontal("call_oi", "put_oi")).to_series().to_numpy()
        lines = lines[np.lexsort((numbers.of_line, -open_interest, numbers.strike, expiry[numbers.of_line]))]
    return lines.select(STRIKE_LINES.names()).cast(STRIKE_LINES)


def _priced(quotes: pl.DataFrame, greeks: pl.DataFrame) -> pl.DataFrame:
    """The quotes of contracts that have greeks, with these, by venue and instrument."""
    priced = greeks.select(*CONTRACT, "forward", "forward_source", "tau", "iv")
    if quotes.select(CONTRACT).equals(priced.select(CONTRACT)):  # the usual case, when nothing has settled: no search is needed
        return in_order(quotes.hstack(priced.drop(CONTRACT)))
    return quotes.join(priced, on=CONTRACT).sort(CONTRACT)


def _side(rows: pl.DataFrame, numbers: LineNumbers, where: Bools, side: str) -> list[pl.Series]:
    """Bid and ask of the first contract of one side of each line, and the sum of known open interest."""
    at = numbers.first(where)
    first_row = pl.Series(at).set(pl.Series(at < 0), None)
    known = np.flatnonzero(where & rows["oi_base"].is_not_null().to_numpy())
    line, count = numbers.of_row[known], numbers.strike.size
    open_interest = pl.Series(np.bincount(line, weights=rows["oi_base"].to_numpy()[known], minlength=count))
    is_unknown = pl.Series(np.bincount(line, minlength=count) == 0)
    return [
        rows["bid"].gather(first_row).alias(f"{side}_bid"),
        rows["ask"].gather(first_row).alias(f"{side}_ask"),
        open_interest.set(is_unknown, None).alias(f"{side}_oi"),
    ]


class ExpiryLines(NamedTuple):
    """The strike lines of one expiry of one book, in their order; NaN for null."""

    venue: str
    book: str
    expires_at: datetime
    spot: float
    forward: float
    forward_source: str | None
    tau: float
    discount: float
    strike: Floats
    iv: Floats
    call_bid: Floats
    call_ask: Floats
    call_oi: Floats
    put_bid: Floats
    put_ask: Floats
    put_oi: Floats

    @property
    def key(self) -> dict[str, str | datetime]:
        """Which expiry it is."""
        return {"venue": self.venue, "book": self.book, "expires_at": self.expires_at}


def expiries_of(lines: pl.DataFrame) -> Iterator[ExpiryLines]:
    """The expiries of sorted `STRIKE_LINES`, in order."""
    columns = [lines[name].to_numpy() for name in ("strike", "iv", "call_bid", "call_ask", "call_oi", "put_bid", "put_ask", "put_oi")]
    starts = first_rows(lines, EXPIRY)
    bounds, firsts = [*starts.tolist(), lines.height], lines[starts]
    shared = [
        firsts[name].to_numpy().tolist() if STRIKE_LINES[name] == pl.Float64 else firsts[name].to_list()  # NaN for null in numbers
        for name in ("venue", "book", "expires_at", "spot", "forward", "forward_source", "tau", "discount")
    ]
    for index, row in enumerate(zip(*shared, strict=True)):
        yield ExpiryLines(*row, *(column[bounds[index] : bounds[index + 1]] for column in columns))
