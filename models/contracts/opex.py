"""Contract of the OPEX calendar: type of each expiry, its roll-off, and its own levels."""

from __future__ import annotations

import dataframely as dy

from models.contracts.core import BASE, PERCENT, USD, ExpiryType, SnapshotRow

CONTRACTS = {"unit": "contracts"}


class OpexExpiry(SnapshotRow):
    """Which expiry a row of the calendar is about."""

    expires_at = dy.Datetime(primary_key=True, description="settlement instant, UTC; tells SPX (AM) from SPXW (PM) on one date")
    scope_venue = dy.String(description="all; in the macro the venues asked for")
    expiry = dy.Date(description="calendar date of expires_at in the market's zone")
    dte = dy.Int32(min=0, description="US: calendar days; crypto: whole days of 24 hours", metadata={"unit": "days"})
    is_listed = dy.Bool(description="a stored chain has it; false where only the listing rules do")
    next_anchor = dy.Datetime(nullable=True, description="settlement instant of the earliest live anchor of the snapshot, UTC")


class OpexNumbers(dy.Schema):
    """What leaves with an expiry, and the levels of its own profile (definitions §6, §8)."""

    call_oi = dy.Float64(nullable=True, min=0, description="open interest of calls", metadata=BASE)
    put_oi = dy.Float64(nullable=True, min=0, description="open interest of puts", metadata=BASE)
    total_oi = dy.Float64(nullable=True, min=0, description="open interest of both", metadata=BASE)
    call_oi_contracts = dy.Float64(nullable=True, min=0, description="open interest of calls", metadata=CONTRACTS)
    put_oi_contracts = dy.Float64(nullable=True, min=0, description="open interest of puts", metadata=CONTRACTS)
    oi_rolloff_pct = dy.Float64(
        nullable=True, min=0, description="share of the underlying's total open interest that leaves with it", metadata=PERCENT
    )
    net_gex_usd_1pct = dy.Decimal(18, 2, nullable=True, description="net gamma exposure per 1 % move", metadata=USD)
    abs_gex_usd_1pct = dy.Decimal(18, 2, nullable=True, min=0, description="sum of |call| + |put| gamma exposure", metadata=USD)
    gex_rolloff_pct = dy.Float64(
        nullable=True, min=0, description="share of the underlying's total abs_gex_usd_1pct that leaves with it", metadata=PERCENT
    )
    spot = dy.Float64(nullable=True, description="spot of the scope", metadata=USD)
    max_pain_strike = dy.Float64(
        nullable=True, description="strike where its holders are paid least; null without open interest", metadata=USD
    )
    call_resistance = dy.Float64(nullable=True, description="its strike above spot with the largest positive net exposure", metadata=USD)
    put_support = dy.Float64(nullable=True, description="its strike below spot with the largest positive net exposure", metadata=USD)
    call_wall = dy.Float64(nullable=True, description="its strike, anywhere, of the largest |call exposure|", metadata=USD)
    put_wall = dy.Float64(nullable=True, description="its strike, anywhere, of the largest |put exposure|", metadata=USD)


class OpexCalendar(OpexExpiry, ExpiryType, OpexNumbers):
    """Every live expiry with its type, what leaves with it, and its own levels, over all venues. One row per snapshot_id, expires_at.

    The macro adds expiries that the listing rules foresee and no stored chain has: with their types and flags, and nothing measured.
    """
