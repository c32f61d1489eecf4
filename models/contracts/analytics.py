"""Contracts of the `core` tables of spot ladder, smile and density."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from models.contracts.core import BASE, FRACTION, USD, SnapshotKey

YEARS = {"unit": "years"}


class GammaLadder(SnapshotKey):
    """Gamma exposure if spot stood elsewhere. One row per snapshot_id, venue, expires_at, spot_factor.

    The forward moves with spot, volatilities are held, gamma is the model's. Sums over venue and expires_at are exact.
    """

    venue = dy.String(primary_key=True, description="who lists it")
    expires_at = dy.Datetime(primary_key=True, description="settlement instant, UTC")
    spot_factor = dy.Float64(primary_key=True, min=0.8, max=1.2, description="level / spot: 0.80 to 1.20 in 161 steps of 0.0025")
    call_gex_usd_1pct = dy.Decimal(
        18, 2, nullable=True, min=0, description="of calls, per 1 % move; null when none is measured", metadata=USD
    )
    put_gex_usd_1pct = dy.Decimal(18, 2, nullable=True, max=0, description="of puts, negative", metadata=USD)


class SmileNumbers(dy.Schema):
    """What a smile says of an expiry."""

    atm_strike = dy.Float64(nullable=True, description="listed strike nearest the forward, of those with two-sided quotes", metadata=USD)
    straddle = dy.Float64(nullable=True, min=0, description="call + put at atm_strike", metadata=USD)
    straddle_source = dy.String(nullable=True, description="quotes (mids), or model (priced with the strike's volatility)")
    straddle_reason = dy.String(nullable=True, description="why there is none: no_forward, no_iv, settled")
    straddle_1sd = dy.Float64(nullable=True, min=0, description="one deviation to expiry by straddle/DF·√(π/2)·S/F", metadata=USD)
    straddle_2sd = dy.Float64(nullable=True, min=0, description="two of them", metadata=USD)
    atm_iv = dy.Float64(nullable=True, min_exclusive=0, description="volatility at the forward, linear in log-strike", metadata=FRACTION)
    atm_iv_reason = dy.String(nullable=True, description="why there is none: no_forward, no_iv, no_bracket, settled")
    put_25d_iv = dy.Float64(
        nullable=True, min_exclusive=0, description="volatility where a put's forward delta is −0.25", metadata=FRACTION
    )
    put_25d_reason = dy.String(nullable=True, description="why there is none: no_forward, no_iv, no_bracket, settled")
    call_25d_iv = dy.Float64(
        nullable=True, min_exclusive=0, description="volatility where a call's forward delta is 0.25", metadata=FRACTION
    )
    call_25d_reason = dy.String(nullable=True, description="why there is none: no_forward, no_iv, no_bracket, settled")
    skew_25d = dy.Float64(nullable=True, description="put_25d_iv − call_25d_iv", metadata=FRACTION)
    risk_reversal_25d = dy.Float64(nullable=True, description="call_25d_iv − put_25d_iv", metadata=FRACTION)
    butterfly_25d = dy.Float64(nullable=True, description="mean of both − atm_iv", metadata=FRACTION)
    expected_move_1sd = dy.Float64(nullable=True, min=0, description="one standard deviation to expiry: S·atm_iv·√tau", metadata=USD)
    expected_move_2sd = dy.Float64(nullable=True, min=0, description="two of them", metadata=USD)


class DensityNumbers(dy.Schema):
    """What the implied density says of an expiry; its kernels are in core.implied_density."""

    density_reason = dy.String(
        nullable=True, description="why there is none: few_quotes, not_fitted, outside_bid_ask, unquoted_tails, or as atm_iv_reason"
    )
    density_quotes = dy.Int32(min=0, description="two-sided out-of-the-money quotes that were fitted")
    density_inside_share = dy.Float64(nullable=True, min=0, max=1, description="of them, priced inside bid–ask", metadata=FRACTION)
    density_quoted_mass = dy.Float64(nullable=True, description="probability between these two strikes", metadata=FRACTION)
    density_left_tail = dy.Float64(nullable=True, description="probability below the lowest strike fitted", metadata=FRACTION)
    density_right_tail = dy.Float64(nullable=True, description="probability above the highest strike fitted", metadata=FRACTION)
    density_mean = dy.Float64(nullable=True, min=0, description="mean settlement price: the forward", metadata=USD)
    density_log_sd = dy.Float64(nullable=True, min=0, description="standard deviation of ln(settlement/forward), to expiry, not annualised")
    density_log_skewness = dy.Float64(nullable=True, description="skewness of ln(settlement/forward); 0 for a flat smile")
    density_log_excess_kurtosis = dy.Float64(nullable=True, description="excess kurtosis of ln(settlement/forward); 0 for a flat smile")

    @dy.rule()
    def moments_or_reason(cls) -> pl.Expr:
        """Without a density there is a reason, and no moments."""
        return pl.col("density_mean").is_null() == pl.col("density_reason").is_not_null()


class ExpirySmile(SnapshotKey, SmileNumbers, DensityNumbers):
    """Forward, smile, expected moves and implied density of an expiry. One row per snapshot_id, venue, book, expires_at."""

    venue = dy.String(primary_key=True, description="who lists it")
    book = dy.String(primary_key=True, description="settlement currency or family inside the venue")
    expires_at = dy.Datetime(primary_key=True, description="settlement instant, UTC")
    spot = dy.Float64(nullable=True, description="the venue's spot", metadata=USD)
    forward = dy.Float64(nullable=True, description="forward", metadata=USD)
    forward_source = dy.String(nullable=True, description="venue, parity, cross_venue or carry")
    tau = dy.Float64(description="time to settlement, ACT/365, not floored", metadata=YEARS)
    discount = dy.Float64(description="discount factor e^(−r·tau)")
    oi_base = dy.Float64(nullable=True, min=0, description="open interest of the expiry: its weight in means over venues", metadata=BASE)

    @dy.rule()
    def volatility_or_reason(cls) -> pl.Expr:
        """Without a volatility there is a reason."""
        return pl.col("atm_iv").is_null() == pl.col("atm_iv_reason").is_not_null()

    @dy.rule()
    def straddle_or_reason(cls) -> pl.Expr:
        """Without a straddle there is a reason."""
        return pl.col("straddle").is_null() == pl.col("straddle_reason").is_not_null()


class ImpliedDensity(SnapshotKey):
    """Distribution of the settlement price: a mixture of 61 lognormals. One row per snapshot_id, venue, book, expires_at, kernel.

    The probability of settling at or below K is Σ weight·N((ln(K/mean) + width²/2)/width).
    """

    venue = dy.String(primary_key=True, description="who lists it")
    book = dy.String(primary_key=True, description="settlement currency or family inside the venue")
    expires_at = dy.Datetime(primary_key=True, description="settlement instant, UTC")
    kernel = dy.Int8(primary_key=True, min=0, max=60, description="place in the mixture, from the lowest")
    mean = dy.Float64(min_exclusive=0, description="mean of the kernel", metadata=USD)
    width = dy.Float64(min_exclusive=0, description="standard deviation of its logarithm, to expiry")
    weight = dy.Float64(min=0, max=1, description="its probability; those of an expiry add up to 1", metadata=FRACTION)
