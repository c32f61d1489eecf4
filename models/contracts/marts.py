"""Contracts of the `marts` tables: the tables for analysts. Unit and sign are in the name."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from models.contracts.core import BASE, FRACTION, PERCENT, USD, SnapshotRow


class ScopedRow(SnapshotRow):
    """What every mart row carries: its snapshot, and which venues it covers."""

    scope_venue = dy.String(primary_key=True, description="all, or one venue")


class ExpiryRow(ScopedRow):
    """A row about one settlement instant."""

    expires_at = dy.Datetime(primary_key=True, description="settlement instant, UTC; tells SPX (AM) from SPXW (PM) on one date")
    expiry = dy.Date(description="calendar date of expires_at in the market's zone")
    dte = dy.Int32(min=0, description="US: calendar days; crypto: whole days of 24 hours", metadata={"unit": "days"})


class StrikeRow(ScopedRow):
    """A row about one strike over all live expiries."""

    strike = dy.Float64(primary_key=True, min_exclusive=0, description="strike", metadata=USD)


class ExpiryStrikeRow(ExpiryRow):
    """A row about one strike of one expiry."""

    strike = dy.Float64(primary_key=True, min_exclusive=0, description="strike", metadata=USD)


class Exposures(dy.Schema):
    """Open interest and exposures of one strike. Calls count +, puts − (scenario `std`)."""

    call_oi = dy.Float64(nullable=True, min=0, description="open interest of calls; null when not listed or not said", metadata=BASE)
    put_oi = dy.Float64(nullable=True, min=0, description="open interest of puts; null when not listed or not said", metadata=BASE)
    call_oi_contracts = dy.Float64(nullable=True, min=0, description="the same in contracts", metadata={"unit": "contracts"})
    put_oi_contracts = dy.Float64(nullable=True, min=0, description="the same in contracts", metadata={"unit": "contracts"})
    call_gex_usd_1pct = dy.Decimal(18, 2, nullable=True, description="gamma exposure of calls per 1 % move", metadata=USD)
    put_gex_usd_1pct = dy.Decimal(18, 2, nullable=True, description="gamma exposure of puts per 1 % move, negative", metadata=USD)
    net_gex_usd_1pct = dy.Decimal(18, 2, nullable=True, description="call + put gamma exposure", metadata=USD)
    abs_gex_usd_1pct = dy.Decimal(18, 2, nullable=True, description="|call| + |put| gamma exposure", metadata=USD)
    net_to_gross = dy.Float64(nullable=True, description="net / gross gamma exposure, −1 to 1; null without any")
    call_dex_usd = dy.Decimal(18, 2, nullable=True, description="delta exposure of calls", metadata=USD)
    put_dex_usd = dy.Decimal(18, 2, nullable=True, description="delta exposure of puts, sign × negative delta: positive", metadata=USD)
    net_dex_usd = dy.Decimal(18, 2, nullable=True, description="call + put delta exposure", metadata=USD)
    abs_dex_usd = dy.Decimal(18, 2, nullable=True, description="|call| + |put| delta exposure", metadata=USD)
    dex_net_to_gross = dy.Float64(nullable=True, description="net / gross delta exposure, −1 to 1; null without any")
    call_vex_usd_1vol = dy.Decimal(18, 2, nullable=True, description="vanna exposure of calls per volatility point", metadata=USD)
    put_vex_usd_1vol = dy.Decimal(18, 2, nullable=True, description="vanna exposure of puts per volatility point", metadata=USD)
    net_vex_usd_1vol = dy.Decimal(18, 2, nullable=True, description="call + put vanna exposure", metadata=USD)
    abs_vex_usd_1vol = dy.Decimal(18, 2, nullable=True, description="|call| + |put| vanna exposure", metadata=USD)
    vex_net_to_gross = dy.Float64(nullable=True, description="net / gross vanna exposure, −1 to 1; null without any")
    call_chex_usd_day = dy.Decimal(18, 2, nullable=True, description="charm exposure of calls per calendar day", metadata=USD)
    put_chex_usd_day = dy.Decimal(18, 2, nullable=True, description="charm exposure of puts per calendar day", metadata=USD)
    net_chex_usd_day = dy.Decimal(18, 2, nullable=True, description="call + put charm exposure", metadata=USD)
    abs_chex_usd_day = dy.Decimal(18, 2, nullable=True, description="|call| + |put| charm exposure", metadata=USD)
    chex_net_to_gross = dy.Float64(nullable=True, description="net / gross charm exposure, −1 to 1; null without any")
    oi_without_iv = dy.Float64(min=0, description="open interest left out of the exposures because it has no volatility", metadata=BASE)
    oi_without_iv_pct = dy.Float64(nullable=True, min=0, max=100, description="the same in percent of the open interest", metadata=PERCENT)


class GexHeatmap(ExpiryStrikeRow, Exposures):
    """The additive grain of every profile, level and filter. One row per snapshot_id, scope_venue, expires_at, strike."""


class GexByStrike(StrikeRow, Exposures):
    """Exposures by strike over all live expiries. One row per snapshot_id, scope_venue, strike."""


class GexByExpiry(ExpiryRow, Exposures):
    """Exposures of each live expiry, gross ones added over strikes. One row per snapshot_id, scope_venue, expires_at."""


class PainCurve(ExpiryStrikeRow):
    """What option holders are paid if the underlying settles at a strike. One row per snapshot_id, scope_venue, expires_at, strike."""

    call_pain_usd = dy.Float64(min=0, description="paid to holders of calls", metadata=USD)
    put_pain_usd = dy.Float64(min=0, description="paid to holders of puts", metadata=USD)
    total_pain_usd = dy.Float64(min=0, description="paid to holders of both", metadata=USD)


class PainMinimum(dy.Schema):
    """Where a pain curve is lowest, and where spot stands relative to it."""

    max_pain_strike = dy.Float64(
        nullable=True, description="strike where holders are paid least, lowest on a tie; null without OI", metadata=USD
    )
    max_pain_low = dy.Float64(nullable=True, description="lowest strike tied with it", metadata=USD)
    max_pain_high = dy.Float64(nullable=True, description="highest strike tied with it", metadata=USD)
    max_pain_usd = dy.Float64(nullable=True, min=0, description="total payout at that strike", metadata=USD)
    call_oi = dy.Float64(nullable=True, min=0, description="open interest of calls", metadata=BASE)
    put_oi = dy.Float64(nullable=True, min=0, description="open interest of puts", metadata=BASE)
    total_oi = dy.Float64(nullable=True, min=0, description="open interest of both", metadata=BASE)
    call_oi_contracts = dy.Float64(nullable=True, min=0, description="open interest of calls", metadata={"unit": "contracts"})
    put_oi_contracts = dy.Float64(nullable=True, min=0, description="open interest of puts", metadata={"unit": "contracts"})
    pcr = dy.Float64(nullable=True, min=0, description="put open interest / call open interest; null without calls")
    spot = dy.Float64(nullable=True, description="spot of the scope", metadata=USD)
    distance_abs = dy.Float64(nullable=True, min=0, description="|spot − max pain|", metadata=USD)
    distance_pct = dy.Float64(nullable=True, min=0, description="|spot − max pain| / spot", metadata=PERCENT)
    direction = dy.String(nullable=True, description="where spot stands relative to max pain: above, below, or at (equal to the cent)")
    signal = dy.String(nullable=True, description="bullish: spot at least 5 % below max pain; bearish: at least 5 % above; else neutral")

    @dy.rule()
    def strike_lies_in_its_interval(cls) -> pl.Expr:
        """The ends of the tied set hold its lowest strike."""
        return pl.col("max_pain_strike").is_between(pl.col("max_pain_low"), pl.col("max_pain_high"))


class MaxPain(ExpiryRow, PainMinimum):
    """Max pain of one expiry in one snapshot. One row per snapshot_id, scope_venue, expires_at."""

    signal_is_informative = dy.Bool(description="false beyond 60 days: there the distance measures past drift")
    shape_move_pct = dy.Float64(
        nullable=True, min=0, description="one deviation over at most 30 days, how far the shape looks to either side", metadata=PERCENT
    )
    depth = dy.Float64(nullable=True, description="1 − least pain / mean pain one such move away to either side", metadata=FRACTION)
    flat_width_pct = dy.Float64(
        nullable=True, min=0, description="width of the interval where pain is at most 2 % above the least", metadata=PERCENT
    )
    left_slope_usd_1pct = dy.Float64(nullable=True, description="rise of pain per 1 % of spot, down to one move below", metadata=USD)
    right_slope_usd_1pct = dy.Float64(nullable=True, description="rise of pain per 1 % of spot, up to one move above", metadata=USD)
    asymmetry = dy.Float64(nullable=True, description="(right − left) / (right + left) slope, −1 to 1: above 0 the right side is steeper")
    shape = dy.String(
        nullable=True, description="flat, skewed_down (right side steeper: price tends to the shallow left), skewed_up, v or u"
    )
    shape_reason = dy.String(
        nullable=True, description="why there is no shape: no_open_interest, zero_minimum, no_iv, or thin (too little open interest)"
    )

    @dy.rule()
    def shape_or_reason(cls) -> pl.Expr:
        """Without a shape there is a reason."""
        return pl.col("shape").is_null() == pl.col("shape_reason").is_not_null()


class GexLevels(ScopedRow):
    """Key levels of a gamma profile. One row per snapshot_id, scope_venue, scope_expiry."""

    scope_expiry = dy.String(primary_key=True, description="all, or 0dte")
    spot = dy.Float64(nullable=True, description="spot of the scope", metadata=USD)
    net_gex_usd_1pct = dy.Decimal(18, 2, nullable=True, description="net gamma exposure of the profile", metadata=USD)
    abs_gex_usd_1pct = dy.Decimal(18, 2, nullable=True, description="sum of |call| + |put| gamma exposure", metadata=USD)
    net_to_gross = dy.Float64(nullable=True, description="net / gross gamma exposure, −1 to 1: how much of the net is left")
    net_dex_usd = dy.Decimal(18, 2, nullable=True, description="net delta exposure of the profile", metadata=USD)
    abs_dex_usd = dy.Decimal(18, 2, nullable=True, description="sum over strikes of |call| + |put| delta exposure", metadata=USD)
    dex_net_to_gross = dy.Float64(nullable=True, description="net / gross delta exposure, −1 to 1; null without any")
    net_vex_usd_1vol = dy.Decimal(18, 2, nullable=True, description="net vanna exposure per volatility point", metadata=USD)
    abs_vex_usd_1vol = dy.Decimal(18, 2, nullable=True, description="sum over strikes of |call| + |put| vanna exposure", metadata=USD)
    vex_net_to_gross = dy.Float64(nullable=True, description="net / gross vanna exposure, −1 to 1; null without any")
    net_chex_usd_day = dy.Decimal(18, 2, nullable=True, description="net charm exposure per calendar day", metadata=USD)
    abs_chex_usd_day = dy.Decimal(18, 2, nullable=True, description="sum over strikes of |call| + |put| charm exposure", metadata=USD)
    chex_net_to_gross = dy.Float64(nullable=True, description="net / gross charm exposure, −1 to 1; null without any")
    oi_without_iv_pct = dy.Float64(nullable=True, description="open interest left out because it has no volatility", metadata=PERCENT)
    hvl = dy.Float64(nullable=True, description="where cumulative net exposure turns positive, nearest spot, within 20 %", metadata=USD)
    hvl_lower_strike = dy.Float64(nullable=True, description="strike at or below that crossing", metadata=USD)
    hvl_upper_strike = dy.Float64(nullable=True, description="strike at or above that crossing", metadata=USD)
    gamma_flip = dy.Float64(nullable=True, description="spot level where the re-priced net gamma turns positive", metadata=USD)
    gamma_flip_status = dy.String(
        description="available, or why the flip is null: not_available_filtered, insufficient_local_coverage, no_boundary, "
        "uncertain_root_path, sensitive_root, stored_sign_mismatch"
    )
    gamma_flip_implied = dy.Float64(
        nullable=True, description="gamma_flip · spot_implied / spot: where the flip stands for a market that has moved on", metadata=USD
    )
    gamma_flip_distance_pct = dy.Float64(nullable=True, min=0, description="|spot − gamma_flip| / spot", metadata=PERCENT)
    regime = dy.String(description="positive_gamma, negative_gamma, or unknown without a flip")
    call_resistance = dy.Float64(nullable=True, description="strike above spot with the largest positive net exposure", metadata=USD)
    call_wall_2 = dy.Float64(nullable=True, description="the second of these", metadata=USD)
    call_wall_3 = dy.Float64(nullable=True, description="the third of these", metadata=USD)
    put_support = dy.Float64(nullable=True, description="strike below spot with the largest positive net exposure", metadata=USD)
    put_wall_2 = dy.Float64(nullable=True, description="the second of these", metadata=USD)
    put_wall_3 = dy.Float64(nullable=True, description="the third of these", metadata=USD)
    call_resistance_share = dy.Float64(nullable=True, description="its net exposure / the profile's largest |net|")
    call_wall_2_share = dy.Float64(nullable=True, description="its net exposure / the profile's largest |net|")
    call_wall_3_share = dy.Float64(nullable=True, description="its net exposure / the profile's largest |net|")
    put_support_share = dy.Float64(nullable=True, description="its net exposure / the profile's largest |net|")
    put_wall_2_share = dy.Float64(nullable=True, description="its net exposure / the profile's largest |net|")
    put_wall_3_share = dy.Float64(nullable=True, description="its net exposure / the profile's largest |net|")
    call_wall = dy.Float64(nullable=True, description="strike, anywhere, of the largest |call exposure|", metadata=USD)
    put_wall = dy.Float64(nullable=True, description="strike, anywhere, of the largest |put exposure|", metadata=USD)
    max_positive_gamma = dy.Float64(nullable=True, description="strike of the largest net exposure, if positive", metadata=USD)
    max_negative_gamma = dy.Float64(nullable=True, description="strike of the smallest net exposure, if negative", metadata=USD)
    highest_oi_strike = dy.Float64(nullable=True, description="strike of the largest open interest", metadata=USD)
    zero_dte_magnet = dy.Float64(nullable=True, description="strike of the largest |net exposure| of 0DTE", metadata=USD)
