"""Numbers the lines of contracts: a line is the calls and puts of a venue, book, root, expiry and strike."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from models.errors import WarehouseError
from models.pricing.black76 import Bools, Floats

SERIES = ["venue", "book", "expires_at", "root"]
LINE = [*SERIES, "strike"]
CONTRACT = ["venue", "instrument"]


Indices: TypeAlias = npt.NDArray[np.intp]


class LineNumbers(NamedTuple):
    """The lines of some contracts, numbered from 0 in the order of `LINE`."""

    series: pl.DataFrame  # one row per venue, book, expires_at, root
    of_line: Indices  # row of its series, of each line
    strike: Floats  # of each line
    of_row: Indices  # number of its line, of each contract

    def first(self, where: Bools) -> Indices:
        """The row of the first contract of each line that matches the mask; -1 without one."""
        rows = np.flatnonzero(where)[::-1]
        first_of_line = np.full(self.strike.size, -1)
        first_of_line[self.of_row[rows]] = rows  # of duplicates the last write wins
        return first_of_line


def line_numbers(rows: pl.DataFrame) -> LineNumbers:
    """The lines of contracts in any order, by their columns `LINE`; raises `WarehouseError` for a contract without a strike."""
    if rows["strike"].null_count():
        raise WarehouseError("a contract has no strike, which no parser lets pass. Report this; nothing was loaded of it.")
    (series, of_row), strike = numbered(rows, SERIES), rows["strike"].to_numpy()
    order = np.lexsort((strike, of_row))
    ordered, strike = of_row[order], strike[order]
    is_first = np.ones(order.size, dtype=np.bool_)
    is_first[1:] = (ordered[1:] != ordered[:-1]) | (strike[1:] != strike[:-1])
    line = np.empty(order.size, dtype=np.intp)
    line[order] = np.cumsum(is_first) - 1
    return LineNumbers(series, ordered[is_first], strike[is_first], line)


def numbered(rows: pl.DataFrame, key: list[str]) -> tuple[pl.DataFrame, Indices]:
    """The distinct keys of rows in any order, sorted, and the key number of each row.

    Neighbours mostly share a key: names are compared once per run of equal rows, and only numbers are sorted.
    """
    starts = first_rows(rows, key)
    runs = rows[key][starts]
    number = runs.select(pl.struct(key).rank("dense")).to_series().to_numpy().astype(np.intp) - 1
    return runs[np.unique(number, return_index=True)[1]], np.repeat(number, np.diff(starts, append=rows.height))


def first_rows(rows: pl.DataFrame, key: list[str]) -> Indices:
    """The rows whose key differs from that of the row before."""
    number = rows.select(pl.struct(key).rle_id()).to_series().to_numpy().astype(np.int64)
    return np.flatnonzero(np.diff(number, prepend=-1))


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows sorted by venue and instrument. Stored rows already are: checking takes a quarter of the time of sorting."""
    venue, instrument = pl.col("venue"), pl.col("instrument")
    follows = (venue > venue.shift(1)) | ((venue == venue.shift(1)) & (instrument >= instrument.shift(1)))
    return rows if rows.select(follows.all()).item() else rows.sort(CONTRACT)
