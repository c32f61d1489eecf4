"""Conditions that reject a venue's whole chain: it is archived, but too broken to publish any number from it."""

from __future__ import annotations

import polars as pl

MOST_OPEN_INTEREST = 1e11  # units of the underlying: no market has this much, and sums of it over venues still fit DECIMAL(18, 6)


def broken_frame_reason(quotes: pl.DataFrame, *, min_priced_share: float, min_side_share: float) -> str | None:
    """Why a venue's chain cannot be used, or None.

    `quotes` are rows of `core.option_quotes` of one venue. A row can be priced when it has a volatility or a price to solve
    one from: a two-sided quote or a mark.
    """
    live = quotes.filter(pl.col("is_live"))
    if live.is_empty():
        return "no_live_contract: every listed contract has settled or is adjusted"
    with_oi = live.filter(pl.col("oi_base") > 0)
    if with_oi.is_empty():
        return f"no_open_interest: none of {live.height} live contracts has open interest"
    total = float(with_oi["oi_base"].sum())
    if total >= MOST_OPEN_INTEREST:
        return f"absurd_open_interest: {total:.3g} units of the underlying in all, and no market has {MOST_OPEN_INTEREST:.0e}"
    two_sided = (pl.col("bid") > 0) & (pl.col("ask") >= pl.col("bid"))
    can_be_priced = (pl.col("venue_iv") > 0) | two_sided | (pl.col("mark") > 0)
    priced = with_oi.select(can_be_priced.fill_null(False).sum()).item()
    if priced < min_priced_share * with_oi.height:
        return f"no_prices: {priced} of {with_oi.height} live contracts with open interest have a volatility or a price"
    calls = live.select((pl.col("option_type") == "C").sum()).item()
    smaller, name = min((calls, "calls"), (live.height - calls, "puts"))
    if smaller < min_side_share * live.height:
        return f"side_gone: {smaller} of {live.height} live contracts are {name}"
    return None
