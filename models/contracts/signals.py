"""Contracts of signals from max pain, walls and flip: pin score and alignment."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from models.contracts.core import USD
from models.contracts.marts import ExpiryRow, PainMinimum, ScopedRow

DAYS = {"unit": "days"}


class PinNumbers(dy.Schema):
    """Score, its parts, and alignment, with every number that they follow from."""

    pin_score = dy.Int32(nullable=True, min=0, max=100, description="0.30·oi + 0.25·proximity + 0.25·time + 0.20·gamma; no probability")
    pin_score_reason = dy.String(nullable=True, description="why there is none: too_far (over 35 days), thin, missing_part")
    oi_part = dy.Float64(nullable=True, min=0, max=100, description="share of the open interest in its three largest strikes, 0 to 100")
    proximity_part = dy.Float64(
        nullable=True, min=0, max=100, description="100·exp(−distance / min(expected move, that of 7 days)): 100 at max pain"
    )
    time_part = dy.Float64(nullable=True, min=0, max=100, description="100·exp(−days to settlement / 7)")
    gamma_part = dy.Float64(
        nullable=True, min=0, max=100, description="gross gamma at max pain / largest of a strike of the expiry, 0 to 100"
    )
    pin_formula = dy.String(description="version of the formula")
    expected_move_1sd = dy.Float64(nullable=True, min=0, description="one standard deviation to expiry", metadata=USD)
    straddle = dy.Float64(nullable=True, min=0, description="call + put at the at-the-money strike", metadata=USD)
    max_pain_within_expected_range = dy.Bool(nullable=True, description="distance to max pain ≤ straddle")
    days_to_settlement = dy.Float64(nullable=True, description="tau in days, not floored", metadata=DAYS)
    call_wall = dy.Float64(nullable=True, description="strike, anywhere, of the largest |call exposure| of this profile", metadata=USD)
    put_wall = dy.Float64(nullable=True, description="strike, anywhere, of the largest |put exposure| of this profile", metadata=USD)
    gamma_flip = dy.Float64(nullable=True, description="zero gamma of this profile on the spot ladder", metadata=USD)
    gamma_flip_status = dy.String(nullable=True, description="available, or why the flip is null")
    max_pain_to_flip = dy.Float64(nullable=True, min=0, description="|max pain − gamma flip|; near is 0.5 % of spot", metadata=USD)
    alignment = dy.String(description="converging (between the walls, near the flip), moderate, diverging (outside), unknown")
    description = dy.String(description="the alignment in one sentence, with its numbers")

    @dy.rule()
    def score_or_reason(cls) -> pl.Expr:
        """Without a score there is a reason."""
        return pl.col("pin_score").is_null() == pl.col("pin_score_reason").is_not_null()


class PinScore(ExpiryRow, PinNumbers):
    """What speaks for settlement at max pain. One row per snapshot_id, scope_venue, expires_at.

    A score, not a probability. Walls and flip are those of the expiry alone.
    """

    spot = dy.Float64(nullable=True, description="spot of the scope", metadata=USD)
    max_pain_strike = dy.Float64(nullable=True, description="strike where holders are paid least", metadata=USD)
    distance_abs = dy.Float64(nullable=True, min=0, description="|spot − max pain|", metadata=USD)


class MaxPainPooled(ScopedRow, PainMinimum, PinNumbers):
    """Max pain of all live expiries together, which is no settlement event. One row per snapshot_id, scope_venue.

    Its score takes time, expected move and straddle from the front live expiry, walls and flip from the whole chain.
    """

    expiries = dy.Int64(min=1, description="how many expiries are pooled")
