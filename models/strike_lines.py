"""Call and put of each strike side by side: what the ladder, the smile and the density of one snapshot read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl

from models.black76 import Floats
from models.forwards import EXPIRY
from models.line_numbers import LINE

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

    `quotes`: rows of `core.option_quotes` of one snapshot; `greeks`: its rows of `core.option_greeks`, which say what is live; `spots`:
    venue, spot; `rate`: of the discount factor e^(−rate·tau). Sorted by venue, book, expires_at, strike; of roots that share a strike
    the one with more open interest comes first, then by name.
    """
    priced = greeks.select("venue", "instrument", "forward", "forward_source", "tau", "iv")
    rows = quotes.select(*LINE, "instrument", "option_type", "bid", "ask", "oi_base").join(priced, on=["venue", "instrument"])
    is_call = pl.col("option_type") == "C"
    lines = (
        rows.sort("venue", "instrument")
        .group_by(LINE, maintain_order=True)
        .agg(
            pl.col("forward", "forward_source", "tau", "iv").first(),
            *(pl.col(name).filter(is_call).first().alias(f"call_{name}") for name in ("bid", "ask")),
            *(pl.col(name).filter(~is_call).first().alias(f"put_{name}") for name in ("bid", "ask")),
            call_oi=_known_sum("oi_base", is_call),
            put_oi=_known_sum("oi_base", ~is_call),
        )
    )
    lines = lines.join(spots.select("venue", "spot"), on="venue", how="left")
    lines = lines.with_columns(discount=np.exp(-rate * lines["tau"].to_numpy()))
    most_open_interest = pl.sum_horizontal("call_oi", "put_oi")
    lines = lines.sort(*EXPIRY, "strike", most_open_interest, "root", descending=[False] * 4 + [True, False])
    return lines.select(STRIKE_LINES.names()).cast(STRIKE_LINES)


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
    shared = ("venue", "book", "expires_at", "spot", "forward", "forward_source", "tau", "discount")
    columns = [lines[name].to_numpy() for name in ("strike", "iv", "call_bid", "call_ask", "call_oi", "put_bid", "put_ask", "put_oi")]
    firsts = lines.with_row_index("at").unique(EXPIRY, keep="first", maintain_order=True)
    bounds = [*firsts["at"].to_list(), lines.height]
    for place, row in enumerate(firsts.select(shared).with_columns(pl.col(pl.Float64).fill_null(float("nan"))).iter_rows()):
        yield ExpiryLines(*row, *(column[bounds[place] : bounds[place + 1]] for column in columns))


def _known_sum(name: str, where: pl.Expr) -> pl.Expr:
    """Sum over contracts of one side; null where none is known."""
    known = pl.col(name).filter(where).drop_nulls()
    return pl.when(known.len() > 0).then(known.sum())
