"""Contracts of views over several snapshots: change, drift, outcomes. They hold no rows of their own."""

from __future__ import annotations

import dataframely as dy

from models.core_tables import BASE, PERCENT, USD
from models.mart_tables import ExpiryRow, ExpiryStrikeRow

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
