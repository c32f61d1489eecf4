"""Bodies of `/v2/options` and `/v2/expiries`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from warehouse.api.backquant.models.gex import Pain, VenueInterest

ExpiryKind = Literal["daily", "weekly", "monthly", "quarterly", "unknown"]


class Interest(BaseModel):
    """Open interest: coins, or contracts for US symbols."""

    call_oi: float | None
    put_oi: float | None
    total_oi: float | None
    pcr: float | None
    notional_oi_usd: float | None


class Volatility(BaseModel):
    """Percent; skew in volatility points, put - call."""

    atm_iv: float | None
    skew_25d: float | None
    put_25d_iv: float | None
    call_25d_iv: float | None


class ExpiryGamma(BaseModel):
    """Exposure and walls of one expiry alone."""

    net_gex: int | None
    call_resistance: float | None
    put_support: float | None
    max_pain: Pain | None


class ListedExpiry(BaseModel):
    """An expiry, and what kind it is."""

    expiry: str
    expiry_date: str | None
    dte: int | None
    type: ExpiryKind
    is_anchor: bool


class Expiration(ListedExpiry):
    """One expiry of the OPEX calendar."""

    oi: Interest
    iv: Volatility
    gamma: ExpiryGamma


class TypeCounts(BaseModel):
    """How many expiries of each type; `unknown` ones are counted in none."""

    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    quarterly: int = 0


class Anchor(BaseModel):
    """The nearest monthly or quarterly expiry."""

    type: ExpiryKind
    expiry: str
    expiry_date: str
    dte: int


class Opex(BaseModel):
    """`/v2/options/opex`."""

    symbol: str
    horizon_days: int
    spot_price: float | None
    expirations: list[Expiration]
    count: int
    type_counts: TypeCounts
    next_anchor: Anchor | None
    filtered_types: list[str] | None


class SummaryRow(ListedExpiry, Volatility):
    """One expiry of the summary."""

    pcr: float | None
    call_oi: float | None
    put_oi: float | None
    total_oi: float | None
    net_gex: int | None
    notional_oi_usd: float | None
    max_pain: Pain | None
    by_venue: dict[str, VenueInterest]
    by_venue_unattributed: VenueInterest | None


class ExpirySummary(BaseModel):
    """`/v2/options/expiry-summary`."""

    expiries: list[SummaryRow]
    anchor_count: int
    type_counts: TypeCounts


class ExpiryMove(BaseModel):
    """Move to one expiry, from its straddle; USD."""

    expiry: str
    expiry_date: str
    dte: int
    atm_iv: float | None
    straddle_usd: float | None
    move_1sd_usd: float | None
    move_1sd_pct: float | None
    lower_1sd: float | None
    upper_1sd: float | None
    lower_2sd: float | None
    upper_2sd: float | None


class ExpectedMove(BaseModel):
    """`/v2/options/expected-move`: one day, and each expiry unscaled."""

    horizon_days: Literal[1]
    spot_price: float | None
    expiry_used: str | None
    move_1sd_usd: float | None
    upper_1sd: float | None
    lower_1sd: float | None
    upper_2sd: float | None
    lower_2sd: float | None
    per_expiry: list[ExpiryMove]


class Contract(BaseModel):
    """One contract, all venues folded; groups that were not included are absent."""

    strike: float
    expiry: str
    dte: int
    type: Literal["call", "put"]
    oi: float | None = None
    iv: float | None = Field(default=None, description="percent, one per strike")
    mark: float | None = None
    bid: float | None = None
    ask: float | None = None
    volume: float | None = None
    notional_volume: float | None = None
    trade_count: int | None = Field(default=None, description="not reported alike by any feed: always null")
    delta: float | None = None
    gamma: float | None = Field(default=None, description="1/USD")
    theta: float | None = Field(default=None, description="USD per day")
    vega: float | None = Field(default=None, description="USD per volatility point")
    vanna: float | None = Field(default=None, description="per 1.00 of volatility")
    charm: float | None = Field(default=None, description="per day of passing time")
    gex: int | None = Field(default=None, description="signed, USD per 1% move")


class Aggregates(BaseModel):
    """Sums over the contracts that match, before truncation."""

    net_gex: int | None
    call_gex: int | None
    put_gex: int | None
    total_oi: float | None
    call_oi: float | None
    put_oi: float | None
    pcr: float | None
    atm_iv: float | None = Field(description="of the nearest expiry that matches")
    contract_count: int


class Chain(BaseModel):
    """`/v2/options/chain`; sections that `fields` leaves out are absent."""

    contracts: list[Contract] | None = None
    aggregates: Aggregates | None = None
    available_expiries: list[str] | None = None
    truncated: bool
    total_matching_count: int
    max_contracts: int


class Expiries(BaseModel):
    """`/v2/expiries`."""

    symbol: str
    count: int
    expiries: list[ListedExpiry]
