"""Bodies of `/v2/gex` and `/v2/multi`. A key that may be absent has a default; one that may be null is always there."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Numbers = list[float | None]
Amounts = list[int | None]
Model = Literal["std", "flow"]


class Pain(BaseModel):
    """Max pain; both null without open interest."""

    strike: float | None
    value: int | None = Field(description="payout to holders there, USD")


class Ranked(BaseModel):
    """A strike by the size of its net GEX."""

    rank: int
    strike: float
    gex: int = Field(description="net, USD per 1% move")
    abs_gex: int = Field(description="size of the net")


class Levels(BaseModel):
    """Levels of the net-GEX profile over all expiries."""

    hvl: float | None
    call_resistance: float | None
    call_wall_2: float | None
    call_wall_3: float | None
    put_support: float | None
    put_wall_2: float | None
    put_wall_3: float | None


class ZeroDteLevels(BaseModel):
    """Levels of the 0DTE profile; all null without 0DTE contracts."""

    hvl: float | None
    call_resistance: float | None
    put_support: float | None


class RankedSections(BaseModel):
    """At most ten strikes each."""

    all_expiry_top_10: list[Ranked]
    odte_top_10: list[Ranked]


class DayMove(BaseModel):
    """Bounds of one day, USD."""

    upper_1sd: float | None
    lower_1sd: float | None
    upper_2sd: float | None
    lower_2sd: float | None


class FlipZone(BaseModel):
    """Where net GEX changes sign."""

    lower_strike: float | None
    upper_strike: float | None
    strike: float | None
    price: float
    direction: Literal["negative_to_positive", "positive_to_negative"]
    method: Literal["spot_ladder", "cumulative_by_strike"]


class SpotSection(BaseModel):
    """Spot of the venues in scope."""

    spot_price: float | None
    perps_price: float | None = Field(description="not stored: always null")


class LevelSections(BaseModel):
    """What levels have in every endpoint; sections are there when included."""

    all_expiry: Levels
    odte: ZeroDteLevels
    ranked: RankedSections | None = None
    max_pain: Pain | None = Field(default=None, description="0DTE")
    expected_move: DayMove | None = None
    gamma_flip_zones: list[FlipZone] | None = None


class GexLevels(LevelSections):
    """`/v2/gex/levels`."""

    positioning: Model | None
    spot: SpotSection | None = None


class SymbolLevels(LevelSections):
    """One symbol of `/v2/multi/gex/levels`."""

    spot_price: float | None
    computed_at: str


class MultiLevels(BaseModel):
    """`/v2/multi/gex/levels`."""

    results: dict[str, SymbolLevels | None]
    requested: list[str]
    served: list[str]
    missing: list[str] = Field(description="supported, without data")
    invalid: list[str] = Field(description="no supported symbol")


class VenueInterest(BaseModel):
    """Open interest of a venue; 0 where it has none."""

    call_oi: float | None
    put_oi: float | None
    total_oi: float | None
    notional_oi_usd: float | None


class StrikeWindow(BaseModel):
    """The strikes that all filters leave; null where a side is open."""

    min: float | None
    max: float | None


class StrikeProfile(BaseModel):
    """`/v2/gex/strike-profile`: columns of equal length, strikes ascending."""

    expiry: str
    dte: int | None
    strikes: list[float]
    net_gex: Amounts
    call_gex: Amounts
    put_gex: Amounts
    call_oi: Numbers
    put_oi: Numbers
    total_oi: Numbers
    ranked_top_10: list[Ranked]
    filtered_strike_window: StrikeWindow | None
    positioning: Model
    by_venue: dict[str, VenueInterest]
    by_venue_unattributed: VenueInterest | None
    by_venue_note: str | None


class Heatmap(BaseModel):
    """`/v2/gex/strike-expiry-heatmap`: `net_gex[i][j]` is strike i, expiry j."""

    unit: Literal["usd_per_1pct_move"]
    spot_price: float | None
    strikes: list[float]
    expiries: list[str]
    expiry_dates: list[str]
    dtes: list[int]
    types: list[str]
    net_gex: list[Amounts]
    strike_totals: list[int]
    expiry_totals: list[int]
    matched_strikes: int
    matched_expiries: int
    truncated: bool
    positioning: Model


class ExpiryProfile(BaseModel):
    """`/v2/gex/expiry-profile`."""

    unit: Literal["usd_per_1pct_move"]
    total_gex: int | None
    expiries: list[str]
    expiry_dates: list[str]
    dtes: list[int]
    types: list[str]
    is_anchor: list[bool]
    net_gex: Amounts
    call_gex: Amounts
    put_gex: Amounts
    abs_gex_share_pct: Numbers
    total_oi: Numbers
    positioning: Model


class PainPoint(BaseModel):
    """Payout to holders if settlement is at a strike, USD."""

    strike: float
    pain: int | None
    call_pain: int | None
    put_pain: int | None


class ExpiryPain(BaseModel):
    """Max pain of one expiry."""

    expiry: str
    dte: int
    max_pain: Pain


class MaxPain(BaseModel):
    """`/v2/gex/max-pain`; keys that do not apply are absent."""

    expiry: str
    dte: int | None = None
    expiry_tokens: list[str] | None = None
    max_pain: Pain | None = None
    per_expiry: list[ExpiryPain] | None = None
    pain_curve: list[PainPoint] | None = None


class History(BaseModel):
    """`/v2/gex/history`: ascending time."""

    timestamps: list[str]
    total_gex: Amounts
    net_gex_local_5pct: Amounts
    hvl: Numbers
    call_wall: Numbers
    put_wall: Numbers
    spot_price: Numbers
    next_cursor: str | None = Field(description="timestamp of the oldest row, to be given as `before`; null when nothing is older")
