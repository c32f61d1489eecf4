"""Contract of the expiry summary: the smile, expected moves and density of each expiry over a scope of venues."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from models.contracts.analytics import YEARS, DensityNumbers, SmileNumbers
from models.contracts.core import BASE, USD
from models.contracts.marts import ExpiryRow


class SummaryHead(dy.Schema):
    """What an expiry is, and how much of it there is."""

    type = dy.String(description="daily, weekly, monthly, quarterly or unknown")
    is_anchor = dy.Bool(description="monthly or quarterly")
    books = dy.Int64(nullable=True, min=1, description="venues and books that list it: with several, volatilities are weighted means")
    spot = dy.Float64(nullable=True, description="spot of the scope", metadata=USD)
    forward = dy.Float64(nullable=True, description="spot × mean F/S of the books", metadata=USD)
    forward_source = dy.String(nullable=True, description="venue, parity, cross_venue or carry; of several books joined by +")
    tau = dy.Float64(
        nullable=True,
        description="time to settlement, ACT/365: from captured_at for crypto over several venues, else from the venue's quotes",
        metadata=YEARS,
    )
    total_oi = dy.Float64(nullable=True, min=0, description="open interest of calls and puts", metadata=BASE)
    notional_oi_usd = dy.Decimal(18, 2, nullable=True, min=0, description="the same × spot", metadata=USD)
    net_gex_usd_1pct = dy.Decimal(18, 2, nullable=True, description="net gamma exposure per 1 % move", metadata=USD)


class OneDayMove(dy.Schema):
    """The expected move of one day, the same for all expiries of a scope."""

    expiry_used = dy.Datetime(nullable=True, description="the nearest expiry of a day or more, from which one day is scaled, UTC")
    sessions_used = dy.Int64(nullable=True, min=1, description="US: sessions that close until then, at least 1; null for crypto")
    expected_move_1d_1sd = dy.Float64(
        nullable=True, min=0, description="its expected_move_1sd × √(1/sessions), for crypto × √(1 day/tau)", metadata=USD
    )
    expected_move_1d_2sd = dy.Float64(nullable=True, min=0, description="two of them", metadata=USD)
    straddle_1d_1sd = dy.Float64(nullable=True, min=0, description="its straddle_1sd, scaled alike", metadata=USD)
    expected_move_1d_reason = dy.String(nullable=True, description="why there is none: no_expiry (of a day or more, with a volatility)")


class ExpirySummary(ExpiryRow, SummaryHead, SmileNumbers, OneDayMove, DensityNumbers):
    """Forward, smile, expected moves and implied density of an expiry. One row per snapshot_id, scope_venue, expires_at.

    Over several books a missing volatility or straddle has the reason of the largest, and there is no density: it is one book's.
    """

    @dy.rule()
    def volatility_or_reason(cls) -> pl.Expr:
        """Without a volatility there is a reason."""
        return pl.col("atm_iv").is_null() == pl.col("atm_iv_reason").is_not_null()

    @dy.rule()
    def straddle_or_reason(cls) -> pl.Expr:
        """Without a straddle there is a reason."""
        return pl.col("straddle").is_null() == pl.col("straddle_reason").is_not_null()

    @dy.rule()
    def one_day_move_or_reason(cls) -> pl.Expr:
        """Without a move of one day there is a reason."""
        return pl.col("expected_move_1d_1sd").is_null() == pl.col("expected_move_1d_reason").is_not_null()
