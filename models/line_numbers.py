"""Which contracts stand on one line: the calls and puts of a venue, book, root, expiry and strike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from models.black76 import Bools, Floats

SERIES = ["venue", "book", "expires_at", "root"]
LINE = [*SERIES, "strike"]
CONTRACT = ["venue", "instrument"]


class LineNumbers(NamedTuple):
    """The lines of some contracts, numbered from 0 in the order of `LINE`."""

    series: pl.DataFrame  # one row per venue, book, expires_at, root
    of_line: npt.NDArray[np.intp]  # row of its series, of each line
    strike: Floats  # of each line
    of_row: npt.NDArray[np.intp]  # number of its line, of each contract

    def first(self, where: Bools) -> npt.NDArray[np.intp]:
        """The row of the first contract of each line for which this holds; -1 where there is none."""
        rows = np.flatnonzero(where)[::-1]
        found = np.full(self.strike.size, -1)
        found[self.of_row[rows]] = rows  # of several the one written last stays
        return found


def line_numbers(rows: pl.DataFrame) -> LineNumbers:
    """The lines of contracts in any order, by their columns `LINE`.

    Neighbours mostly share a series: names are compared once per run of such rows, and what is sorted is numbers.
    """
    keys = rows.select(SERIES)
    starts = np.flatnonzero(keys.select(pl.any_horizontal(pl.all().ne_missing(pl.all().shift(1)))).to_series())
    runs = keys[starts]
    number = runs.select(pl.struct(SERIES).rank("dense")).to_series().to_numpy().astype(np.intp) - 1
    series = runs[np.unique(number, return_index=True)[1]]
    of_row, strike = np.repeat(number, np.diff(starts, append=rows.height)), rows["strike"].to_numpy()
    order = np.lexsort((strike, of_row))
    ordered, strike = of_row[order], strike[order]
    is_first = np.ones(order.size, dtype=np.bool_)
    is_first[1:] = (ordered[1:] != ordered[:-1]) | (strike[1:] != strike[:-1])
    line = np.empty(order.size, dtype=np.intp)
    line[order] = np.cumsum(is_first) - 1
    return LineNumbers(series, ordered[is_first], strike[is_first], line)


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows by venue and instrument: as they are stored, so that to look is mostly enough, at a quarter of the cost of sorting."""
    venue, instrument = pl.col("venue"), pl.col("instrument")
    follows = (venue > venue.shift(1)) | ((venue == venue.shift(1)) & (instrument >= instrument.shift(1)))
    return rows if rows.select(follows.all()).item() else rows.sort(CONTRACT)
