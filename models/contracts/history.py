"""Contracts of views over several snapshots: change, drift, outcomes. They store no rows."""

from __future__ import annotations

import dataframely as dy

from models.contracts.core import BASE, PERCENT, USD
from models.contracts.marts import ExpiryRow, ExpiryStrikeRow, ScopedRow

CONTRACTS = {"unit": "contracts"}
HOURS = {"unit": "hours"}


class OiChange(ExpiryStrikeRow):
    """Open interest gained or lost since it was last taken. One row per snapshot_id, scope_venue, expires_at, strike, option_type.

    Compared with the newest snapshot of the same venues whose open interest was taken earlier: in US markets that of an earlier session,
    in crypto any earlier snapshot.
    """

    option_type = dy.String(primary_key=True, description="C or P")
    oi_base = dy.Float64(nullable=True, min=0, description="open interest; null when not listed or not said", metadata=BASE)
    oi_contracts = dy.Float64(nullable=True, min=0, description="the same in contracts", metadata=CONTRACTS)
    oi_change = dy.Float64(nullable=True, description="against the earlier snapshot; 0 is no change", metadata=BASE)
    oi_change_contracts = dy.Float64(nullable=True, description="the same in contracts", metadata=CONTRACTS)
    oi_change_reason = dy.String(nullable=True, description="why there is none: no_earlier_snapshot, new_listing, not_measured")
    oi_as_of = dy.Date(nullable=True, description="US: session at whose close it was taken; crypto: UTC date of captured_at")
    previous_oi_as_of = dy.Date(nullable=True, description="the same of the earlier snapshot")
    previous_captured_at = dy.Datetime(nullable=True, description="instant of the earlier snapshot, UTC")
    previous_snapshot_id = dy.String(nullable=True, description="the snapshot compared with")


class MaxPainDrift(ExpiryRow):
    """Max pain of an expiry from snapshot to snapshot. One row per snapshot_id, scope_venue, expires_at."""

    venues = dy.String(description="venues covered, comma-separated, sorted")
    spot = dy.Float64(nullable=True, description="spot of the scope", metadata=USD)
    max_pain_strike = dy.Float64(nullable=True, description="strike where holders are paid least", metadata=USD)
    max_pain_usd = dy.Float64(nullable=True, min=0, description="total payout at that strike", metadata=USD)
    total_oi = dy.Float64(nullable=True, min=0, description="open interest of the expiry", metadata=BASE)
    previous_snapshot_id = dy.String(nullable=True, description="the snapshot before that lists the expiry; null for the first")
    previous_max_pain_strike = dy.Float64(nullable=True, description="its max pain", metadata=USD)
    drift_usd = dy.Float64(nullable=True, description="max pain − that of the snapshot before", metadata=USD)
    drift_pct = dy.Float64(nullable=True, description="the same in percent of spot", metadata=PERCENT)
    drift_hours = dy.Float64(nullable=True, min=0, description="time between the two", metadata=HOURS)
    drift_since_first_usd = dy.Float64(nullable=True, description="max pain − that of the first snapshot of the expiry", metadata=USD)
    first_captured_at = dy.Datetime(description="instant of that first snapshot, UTC")


class Scanner(ScopedRow):
    """The expiry with the highest pin score, beside the chain's regime and alignment. One row per snapshot_id, scope_venue.

    Of equal scores the nearest expiry; without any the front expiry, and why it has none.
    """

    expires_at = dy.Datetime(description="settlement instant of that expiry, UTC")
    expiry = dy.Date(description="calendar date of expires_at in the market's zone")
    dte = dy.Int32(min=0, description="US: calendar days; crypto: whole days of 24 hours", metadata={"unit": "days"})
    pin_score = dy.Int32(nullable=True, min=0, max=100, description="its pin score; no probability")
    pin_score_reason = dy.String(nullable=True, description="why there is none: too_far (over 35 days), thin, missing_part")
    alignment = dy.String(description="converging (between the walls, near the flip), moderate, diverging (outside), unknown")
    description = dy.String(description="the alignment in one sentence, with its numbers")
    spot = dy.Float64(nullable=True, description="spot of the scope", metadata=USD)
    max_pain_strike = dy.Float64(nullable=True, description="strike where holders are paid least", metadata=USD)
    distance_pct = dy.Float64(nullable=True, min=0, description="|spot − max pain| / spot", metadata=PERCENT)
    direction = dy.String(nullable=True, description="where spot stands relative to max pain: above, below, or at (equal to the cent)")
    signal = dy.String(nullable=True, description="bullish: spot at least 5 % below max pain; bearish: at least 5 % above; else neutral")
    shape = dy.String(nullable=True, description="flat, skewed_down, skewed_up, v or u; see marts.max_pain")
    max_pain_within_expected_range = dy.Bool(nullable=True, description="distance to max pain ≤ straddle")
    expected_move_1sd = dy.Float64(nullable=True, min=0, description="one standard deviation to expiry", metadata=USD)
    regime = dy.String(description="of the whole chain: positive_gamma, negative_gamma, or unknown without a flip")
    gamma_flip = dy.Float64(nullable=True, description="of the whole chain: zero gamma on the spot ladder", metadata=USD)
    gamma_flip_status = dy.String(description="available, or why the flip is null")
    net_gex_usd_1pct = dy.Decimal(18, 2, nullable=True, description="net gamma exposure of the whole chain", metadata=USD)
    net_to_gross = dy.Float64(nullable=True, description="net / gross gamma exposure, −1 to 1; null without any")
    call_resistance = dy.Float64(nullable=True, description="strike above spot with the largest positive net exposure", metadata=USD)
    put_support = dy.Float64(nullable=True, description="strike below spot with the largest positive net exposure", metadata=USD)
    pooled_max_pain_strike = dy.Float64(nullable=True, description="max pain of all expiries together", metadata=USD)
    pooled_pin_score = dy.Int32(nullable=True, min=0, max=100, description="pin score of all expiries together")
    pooled_alignment = dy.String(description="alignment of all expiries together")
