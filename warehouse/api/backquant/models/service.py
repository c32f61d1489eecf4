"""Bodies of `/v2/status`, `/v2/health` and `/v2/symbols`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

State = Literal["healthy", "degraded", "unhealthy", "unavailable"]


class Cell(BaseModel):
    """How fresh one category of a symbol is."""

    status: State
    freshness_seconds: float | None


class Threshold(BaseModel):
    """Until which age it is healthy, and degraded."""

    healthy_max_seconds: int
    degraded_max_seconds: int


class SessionThreshold(BaseModel):
    """The same for US data, in sessions that closed without them."""

    healthy_max_sessions: int
    degraded_max_sessions: int


class VenueState(BaseModel):
    """What a venue gives; `unknown` without a recent record, never `off` for that."""

    chain: Literal["on", "off", "unknown"]
    tape: Literal["off"]
    chain_symbols: list[str]
    chain_contracts: int


class Status(BaseModel):
    """`/v2/status`."""

    service: str
    version: str
    current_time: str
    overall_status: State
    symbols: dict[str, dict[str, Cell]]
    thresholds: dict[str, Threshold]
    thresholds_us: dict[str, SessionThreshold]
    venues: dict[str, VenueState]


class Health(BaseModel):
    """`/v2/health`."""

    status: Literal["ok", "degraded", "unhealthy"]
    subsystems: dict[str, bool]


class Category(BaseModel):
    """Whether a category of a symbol is there, and its age."""

    available: bool
    freshness_seconds: float | None


class SymbolRow(BaseModel):
    """One symbol."""

    symbol: str
    base: str
    market: str
    spot_price: float | None
    expiry_count: int
    venues: list[str]
    categories: dict[str, Category]
    first_snapshot: str
    last_snapshot: str


class Symbols(BaseModel):
    """`/v2/symbols`."""

    symbols: list[SymbolRow]
    count: int
    endpoints: list[str]
