"""US contracts by their names (OSI: root, expiry, type, strike), and what a root says of the underlying."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from flows.sources.cboe import file_symbol
from models.market.calendar import TradingCalendar
from models.market.roots import AM_SETTLED_ROOTS, COMPANION_ROOTS, exercise_of, is_adjusted

PARENT_OF = {companion: parent for parent, companions in COMPANION_ROOTS.items() for companion in companions}
DOTTED = {"BRKB": "BRK.B", "BFB": "BF.B"}  # option roots have no dot, tickers of share classes do


def underlying_of(roots: pl.Series) -> str | None:
    """The underlying that most roots stand for: SPXW for SPX, SPY7 (adjusted) does not outvote SPY."""
    votes: Counter[str] = Counter()
    for root, rows in roots.drop_nulls().value_counts().sort("count", roots.name, descending=[True, False]).iter_rows():
        votes[PARENT_OF.get(root, root)] += rows
    return DOTTED.get(winner := votes.most_common(1)[0][0], winner) if votes else None


def us_terms(root: pl.Series, underlying: str) -> dict[str, Any]:
    """Columns book, is_adjusted, exercise of US contracts."""
    standard = [one for one in root.unique() if one and not is_adjusted(one, file_symbol(underlying))]
    return {"book": pl.lit(underlying), "is_adjusted": ~root.is_in(standard), "exercise": pl.lit(exercise_of(underlying))}


def settled_by_root(root: pl.Series, expiry: pl.Series, calendar: TradingCalendar) -> pl.Series:
    """Settlement instants of US contracts: the root tells AM from PM."""
    return calendar.settlement_instants(expiry, root.is_in(AM_SETTLED_ROOTS))
