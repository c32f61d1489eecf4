"""/v1/expected-move/{symbol}: one standard deviation to each expiration."""

from __future__ import annotations

from typing import Any

import polars as pl
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from warehouse.api.flashalpha.chain import OfChain
from warehouse.api.flashalpha.convert import day, number, share_pct
from warehouse.api.flashalpha.envelope import Day, Fraction, OfSymbol, Part, Percent, Usd
from warehouse.api.flashalpha.parameters import Expiry, read_date


class Move(Part):
    """One standard deviation to an expiration."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, alias_generator=to_camel, populate_by_name=True)

    expiry: Day
    days_to_expiry: int
    atm_iv: Fraction | None
    expected_move: Usd | None = Field(description="spot × atmIv × √years")
    expected_move_pct: Percent | None = Field(description="of spot")
    lower_bound: Usd | None
    upper_bound: Usd | None


class ExpectedMove(OfSymbol):
    """Expected moves, the nearest expiration first."""

    expected_moves: list[Move]


def expected_move(chain: OfChain, expiry: Expiry = None) -> ExpectedMove:
    """One standard deviation to each expiration, or to one. Of two settlements on a date the one with more open interest."""
    requested = read_date("expiry", expiry)
    rows = chain.mart("expiry_summary")
    if requested is not None:
        rows = rows.filter(pl.col("expiry") == requested)
    if rows.is_empty():
        raise chain.nothing(requested)
    largest = (
        rows.sort("expiry", pl.col("total_oi").fill_null(0), "expires_at", descending=[False, True, True])
        .group_by("expiry", maintain_order=True)
        .first()
    )
    return ExpectedMove(**chain.head(), expected_moves=[_move(row, chain.spot) for row in largest.iter_rows(named=True)])


def _move(row: dict[str, Any], spot: float | None) -> Move:
    move = number(row["expected_move_1sd"])
    has_bounds = move is not None and spot is not None
    return Move(
        expiry=day(row["expiry"]),
        days_to_expiry=row["dte"],
        atm_iv=number(row["atm_iv"], 6),
        expected_move=number(move, 4),
        expected_move_pct=share_pct(move, spot, 4),
        lower_bound=number(spot - move, 4) if has_bounds and spot is not None and move is not None else None,
        upper_bound=number(spot + move, 4) if has_bounds and spot is not None and move is not None else None,
    )
