"""The response body of /v1/exposure/zero-dte, by section."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from warehouse.api.flashalpha.envelope import (
    Count,
    Day,
    Envelope,
    Fraction,
    Instant,
    OfSymbol,
    Part,
    Percent,
    Score,
    Usd,
    Usd1Pct,
    Usd1Vol,
    UsdDay,
)
from warehouse.api.flashalpha.exposure.summary import HedgingMove
from warehouse.api.flashalpha.max_pain import Regime


class ZeroDteRegime(Part):
    """Where spot stands to the flip of this expiration alone."""

    label: Regime
    description: str
    gamma_flip: Usd | None
    gamma_flip_status: str
    spot_vs_flip: Literal["above", "below"] | None
    spot_to_flip_pct: Percent | None
    distance_to_flip_dollars: Usd | None
    distance_to_flip_sigmas: float | None


class ZeroDteExposures(Part):
    """Exposures of this expiration, and its share of the chain."""

    net_gex: Usd1Pct
    net_dex: Usd
    net_vex: Usd1Vol
    net_chex: UsdDay
    pct_of_total_gex: Percent | None
    total_chain_net_gex: Usd1Pct


class ZeroDteMove(Part):
    """Expected move of a whole session, and of what is left of this one."""

    implied_1sd_dollars: Usd | None
    implied_1sd_pct: Percent | None
    remaining_1sd_dollars: Usd | None
    remaining_1sd_pct: Percent | None
    upper_bound: Usd | None
    lower_bound: Usd | None
    straddle_price: Usd | None
    atm_iv: Fraction | None


class PinComponents(Part):
    """Parts of the score; a missing one counts 0."""

    oi_score: Score
    proximity_score: Score
    time_score: Score
    gamma_score: Score


class PinRisk(Part):
    """What speaks for a close at the magnet."""

    magnet_strike: Usd | None
    magnet_gex: Usd1Pct | None
    distance_to_magnet_pct: Percent | None
    pin_score: Score
    components: PinComponents
    max_pain: Usd | None
    oi_concentration_top3_pct: Percent | None
    description: str


class ZeroDteHedging(Part):
    """What dealers trade for moves of several sizes; notional signed."""

    spot_up_10bp: HedgingMove
    spot_down_10bp: HedgingMove
    spot_up_25bp: HedgingMove
    spot_down_25bp: HedgingMove
    spot_up_half_pct: HedgingMove
    spot_down_half_pct: HedgingMove
    spot_up_1pct: HedgingMove
    spot_down_1pct: HedgingMove
    convexity_at_spot: float | None = Field(description="USD per 1 % per USD²")


class Decay(Part):
    """What time does."""

    net_theta_dollars: UsdDay | None
    theta_per_hour_remaining: float | None = Field(description="USD per hour; null when closed")
    charm_regime: Literal["time_decay_dealers_buy", "time_decay_dealers_sell", "neutral"]
    charm_description: str
    gamma_acceleration: float | None = Field(description="ATM gamma against that of the expiration nearest 7 days")
    description: str


class VolContext(Part):
    """Volatility of this expiration against that of a week."""

    zero_dte_atm_iv: Percent | None
    seven_dte_atm_iv: Percent | None
    iv_ratio_0dte_7dte: float | None
    vix: float | None
    skew_25d: float | None = Field(description="volatility points")
    vanna_exposure: Usd1Vol | None
    vanna_interpretation: Literal["vol_up_dealers_sell", "vol_up_dealers_buy", "neutral"]
    description: str


class Flow(Part):
    """Volume and open interest."""

    total_volume: Count
    call_volume: Count
    put_volume: Count
    net_call_minus_put_volume: Count
    total_oi: Count
    call_oi: Count
    put_oi: Count
    pc_ratio_volume: float | None
    pc_ratio_oi: float | None
    volume_to_oi_ratio: float | None
    atm_volume_share_pct: Percent | None = Field(description="within 0.5 % of spot")
    top3_strike_volume_pct: Percent | None


class ZeroDteLevels(Part):
    """Levels of this expiration alone."""

    call_wall: Usd | None
    call_wall_gex: Usd1Pct | None
    call_wall_strength: float | None = Field(description="of all of its side, 0 to 1")
    distance_to_call_wall_pct: Percent | None
    put_wall: Usd | None
    put_wall_gex: Usd1Pct | None
    put_wall_strength: float | None
    distance_to_put_wall_pct: Percent | None
    distance_to_magnet_dollars: Usd | None
    highest_oi_strike: Usd | None
    highest_oi_total: Count | None
    max_positive_gamma: Usd | None
    max_negative_gamma: Usd | None
    level_cluster_score: Score | None


class Liquidity(Part):
    """What it costs to trade."""

    atm_spread_pct: Percent | None
    weighted_spread_pct: Percent | None
    execution_score: Score | None


class Metadata(Part):
    """How good the data are."""

    snapshot_age_seconds: float | None
    chain_contract_count: int
    data_quality_score: Score | None
    greek_smoothness_score: Score | None


class ZeroDteStrike(Part):
    """One strike of this expiration."""

    strike: Usd
    distance_from_spot_pct: Percent | None
    call_symbol: str
    put_symbol: str
    call_gex: Usd1Pct | None
    put_gex: Usd1Pct | None
    net_gex: Usd1Pct | None
    call_dex: Usd | None
    put_dex: Usd | None
    net_dex: Usd | None
    net_vex: Usd1Vol | None
    net_chex: UsdDay | None
    call_oi: Count | None
    put_oi: Count | None
    call_volume: Count | None
    put_volume: Count | None
    gex_share_pct: Percent | None
    oi_share_pct: Percent | None
    volume_share_pct: Percent | None
    call_iv: Fraction | None
    put_iv: Fraction | None
    call_delta: float | None
    put_delta: float | None
    call_gamma: float | None
    put_gamma: float | None
    call_theta: float | None = Field(description="USD per unit and day")
    put_theta: float | None
    call_mid: Usd | None
    put_mid: Usd | None
    call_spread_pct: Percent | None
    put_spread_pct: Percent | None


class ZeroDte(OfSymbol):
    """One expiration, close up. Sums are over all its strikes; `strikes` holds those near spot."""

    expiration: Day
    market_open: bool
    time_to_close_hours: float
    time_to_close_pct: Percent = Field(description="of the session that is over")
    regime: ZeroDteRegime
    exposures: ZeroDteExposures
    expected_move: ZeroDteMove
    pin_risk: PinRisk
    hedging: ZeroDteHedging
    decay: Decay
    vol_context: VolContext
    flow: Flow
    levels: ZeroDteLevels
    liquidity: Liquidity
    metadata: Metadata
    strikes: list[ZeroDteStrike]
    warnings: list[str] = Field(default=[], exclude_if=lambda given: not given, description="only within 5 minutes of the close")


class NoZeroDte(Envelope):
    """Nothing expires today."""

    symbol: str
    underlying_price: Usd | None
    expiration: None
    as_of: Instant
    market_open: bool
    no_zero_dte: Literal[True]
    message: str
    next_zero_dte_expiry: Day | None
