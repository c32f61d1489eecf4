"""Contracts of settlement prices, and of how well max pain and its score predicted them: outcomes, fits, calibration (definitions §10)."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from models.chain import ParsedSettlements
from models.contracts.core import FRACTION, PERCENT, USD
from models.contracts.marts import ExpiryRow

HOURS = {"unit": "hours"}
YEARS = {"unit": "years"}
HORIZON = "1h (1 to 6 hours before settlement), 1d (24 to 96) or 5d (120 to 216)"


class DeliveryPrices(ParsedSettlements):
    """Settlement prices as a venue or an imported file gives them. One row per underlying, expires_at, source, settlement_price.

    Each price as it was first received, so that hearing it again changes nothing; of several the one received last counts.
    """

    settlement_price = dy.Float64(
        primary_key=True, min_exclusive=0, description="price at which options of that instant settled", metadata=USD
    )
    origin = dy.String(description="live or import")
    run_id = dy.String(description="the run that fetched it")


class PinBands(dy.Schema):
    """How near to max pain a settlement counts as pinned. One row per snapshot_id, scope_venue, expires_at."""

    snapshot_id = dy.String(primary_key=True, description="<underlying>-<captured_at>")
    scope_venue = dy.String(primary_key=True, description="all, or one venue")
    expires_at = dy.Datetime(primary_key=True, description="settlement instant, UTC")
    strike_gap = dy.Float64(
        nullable=True, min=0, description="distance from max pain to the nearer neighbouring listed strike; null without any", metadata=USD
    )
    mirror_strike = dy.Float64(nullable=True, description="listed strike nearest 2·forward − max pain; lower on a tie", metadata=USD)
    mirror_strike_gap = dy.Float64(nullable=True, min=0, description="distance from there to the nearer neighbour", metadata=USD)


class SettlementPrices(dy.Schema):
    """At what price options settled. One row per underlying, expires_at.

    US closing settlements are the session's close as a later snapshot shows it; morning settlements are known only from imports.
    """

    underlying = dy.String(primary_key=True, description="what the option is on")
    expires_at = dy.Datetime(primary_key=True, description="settlement instant, UTC")
    settlement_price = dy.Float64(min_exclusive=0, description="price at which options of that instant settled", metadata=USD)
    source = dy.String(description="close or prev_day_close (of a snapshot), deribit:<index>, or what an imported file says")
    settlement_snapshot_id = dy.String(nullable=True, description="the snapshot that shows it; null for a price of core.delivery_prices")


class SettlementOutcomes(dy.Schema):
    """Whether options settled at the max pain that was seen some time before. One row per underlying, expires_at, horizon.

    Seen is the last snapshot within the horizon, all its venues together.
    """

    underlying = dy.String(primary_key=True, description="what the option is on")
    expires_at = dy.Datetime(primary_key=True, description="settlement instant, UTC")
    horizon = dy.String(primary_key=True, description=HORIZON)
    market = dy.String(description="us or crypto")
    expiry = dy.Date(description="calendar date of expires_at in the market's zone")
    observed_snapshot_id = dy.String(description="the snapshot that it was seen in")
    observed_at = dy.Datetime(description="captured_at of that snapshot, UTC")
    lead_hours = dy.Float64(min=0, description="from there to settlement", metadata=HOURS)
    settlement_price = dy.Float64(description="price at which options of that instant settled", metadata=USD)
    settlement_source = dy.String(description="see core.settlement_prices")
    spot = dy.Float64(nullable=True, description="spot when seen", metadata=USD)
    forward = dy.Float64(nullable=True, description="forward when seen", metadata=USD)
    atm_iv = dy.Float64(nullable=True, description="volatility at the forward when seen", metadata=FRACTION)
    tau = dy.Float64(nullable=True, description="time to settlement when seen, ACT/365", metadata=YEARS)
    max_pain_strike = dy.Float64(nullable=True, description="max pain when seen", metadata=USD)
    strike_gap = dy.Float64(
        nullable=True, description="smaller distance from it to a neighbouring listed strike of the expiry; null without one", metadata=USD
    )
    pin_score = dy.Int32(nullable=True, min=0, max=100, description="pin score when seen")
    distance_pct = dy.Float64(nullable=True, min=0, description="|spot − max pain| when seen, in percent of spot", metadata=PERCENT)
    settlement_distance_abs = dy.Float64(nullable=True, min=0, description="|settlement − max pain|", metadata=USD)
    settlement_distance_pct = dy.Float64(nullable=True, min=0, description="the same in percent of the settlement price", metadata=PERCENT)
    pinned = dy.Bool(nullable=True, description="settlement_distance_abs ≤ strike_gap")
    pinned_half_pct = dy.Bool(nullable=True, description="settlement_distance_abs ≤ 0.5 % of the settlement price")
    baseline_prob = dy.Float64(
        nullable=True, min=0, max=1, description="probability of pinned under a lognormal with forward, atm_iv, tau", metadata=FRACTION
    )
    baseline_half_pct_prob = dy.Float64(nullable=True, min=0, max=1, description="the same of pinned_half_pct", metadata=FRACTION)
    mirror_strike = dy.Float64(nullable=True, description="listed strike nearest 2·forward − max pain; lower on a tie", metadata=USD)
    mirror_pinned = dy.Bool(nullable=True, description="the test of pinned at mirror_strike, with that strike's own gap")

    @dy.rule()
    def pinned_needs_a_gap(cls) -> pl.Expr:
        """Without max pain or a neighbouring strike nothing is tested."""
        return pl.col("pinned").is_null() == (pl.col("max_pain_strike").is_null() | pl.col("strike_gap").is_null())


class PinFits(dy.Schema):
    """What scores had come to by each settlement. One row per underlying_group, horizon, fitted_until, score_bin.

    Isotonic: of the outcomes up to there, over bins of ten points, never falling with the score.
    """

    underlying_group = dy.String(primary_key=True, description="us or crypto: the underlyings whose outcomes are fitted together")
    horizon = dy.String(primary_key=True, description=HORIZON)
    fitted_until = dy.Datetime(primary_key=True, description="settlement instant of the last outcome in it, UTC")
    score_bin = dy.Int32(primary_key=True, min=0, max=90, description="lowest score of the bin: 0, 10 … 90 (which holds 100 too)")
    outcomes = dy.Int64(min=1, description="outcomes in the fit")
    pinned_outcomes = dy.Int64(min=0, description="how many of them were pinned")
    bin_outcomes = dy.Int64(min=0, description="outcomes in this bin")
    bin_pinned = dy.Int64(min=0, description="how many of them were pinned")
    pin_probability_calibrated = dy.Float64(
        nullable=True, min=0, max=1, description="fitted probability of pinned; null below 200 outcomes", metadata=FRACTION
    )


class PinProbability(ExpiryRow):
    """How often scores like this one came true before. One row per snapshot_id, scope_venue, expires_at; scope_venue is all.

    Fitted only on outcomes that had settled before the snapshot.
    """

    pin_score = dy.Int32(nullable=True, min=0, max=100, description="0.30·oi + 0.25·proximity + 0.25·time + 0.20·gamma; no probability")
    horizon = dy.String(nullable=True, description=f"{HORIZON}; null between them")
    lead_hours = dy.Float64(min=0, description="from captured_at to settlement", metadata=HOURS)
    pin_probability_calibrated = dy.Float64(
        nullable=True, min=0, max=1, description="probability of settlement within a strike of max pain", metadata=FRACTION
    )
    pin_probability_reason = dy.String(nullable=True, description="why there is none: no_score, no_horizon, few_outcomes (below 200)")
    underlying_group = dy.String(description="us or crypto: the underlyings whose outcomes are fitted together")
    outcomes = dy.Int64(min=0, description="outcomes of that group and horizon that had settled before captured_at")
    pinned_outcomes = dy.Int64(min=0, description="how many of them were pinned, whatever their score")
    fitted_until = dy.Datetime(nullable=True, description="settlement instant of the last of them, UTC")

    @dy.rule()
    def probability_or_reason(cls) -> pl.Expr:
        """Without a probability there is a reason."""
        return pl.col("pin_probability_calibrated").is_null() == pl.col("pin_probability_reason").is_not_null()


class PinCalibration(dy.Schema):
    """What came of pin scores. One row per underlying_group, horizon, score_bin.

    One observation per outcome: an underlying's settlement at a horizon, however many snapshots there were. Underlyings of one group settle
    together, so their outcomes are not independent.
    """

    underlying_group = dy.String(primary_key=True, description="an underlying, us, crypto, or all")
    horizon = dy.String(primary_key=True, description=HORIZON)
    score_bin = dy.Int32(primary_key=True, min=0, max=90, description="lowest score of the bin: 0, 10 … 90 (which holds 100 too)")
    n = dy.Int64(min=1, description="outcomes")
    settlements = dy.Int64(min=1, description="settlement instants among them")
    mean_score = dy.Float64(min=0, max=100, description="mean pin score")
    pinned_pct = dy.Float64(min=0, max=100, description="how many were pinned", metadata=PERCENT)
    mirror_pinned_pct = dy.Float64(
        nullable=True, min=0, max=100, description="how many settled as near to the mirror strike", metadata=PERCENT
    )
    mean_baseline_prob = dy.Float64(nullable=True, min=0, max=1, description="mean of baseline_prob", metadata=FRACTION)
    baseline_brier = dy.Float64(nullable=True, min=0, max=1, description="mean squared error of baseline_prob")
    baseline_log_loss = dy.Float64(nullable=True, min=0, description="log loss of baseline_prob, probabilities kept 1e-6 from 0 and 1")
    n_calibrated = dy.Int64(min=0, description="outcomes for which pin_probability_calibrated was known when seen")
    mean_probability_calibrated = dy.Float64(nullable=True, min=0, max=1, description="mean of it", metadata=FRACTION)
    brier = dy.Float64(nullable=True, min=0, max=1, description="mean squared error of pin_probability_calibrated; null without any")
    log_loss = dy.Float64(nullable=True, min=0, description="log loss of it, probabilities kept 1e-6 from 0 and 1")
    compared_baseline_brier = dy.Float64(
        nullable=True, min=0, max=1, description="mean squared error of baseline_prob over the same outcomes"
    )
    compared_baseline_log_loss = dy.Float64(nullable=True, min=0, description="log loss of baseline_prob over the same outcomes")
