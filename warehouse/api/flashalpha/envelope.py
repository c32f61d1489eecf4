"""Fields common to all responses, and the types of their numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

ENDPOINT_VERSION = "2026.08.25"

Usd = Annotated[float, Field(description="USD")]
Usd1Pct = Annotated[float, Field(description="USD per 1 % move of spot")]
Usd1Vol = Annotated[float, Field(description="USD per volatility point")]
UsdDay = Annotated[float, Field(description="USD per calendar day")]
Percent = Annotated[float, Field(description="percent")]
Fraction = Annotated[float, Field(description="fraction")]
Count = Annotated[int | float, Field(description="contracts; in crypto coins, with fractions")]
Score = Annotated[int, Field(ge=0, le=100, description="0 to 100")]
Day = Annotated[str, Field(description="date", pattern=r"^\d{4}-\d{2}-\d{2}$")]
Instant = Annotated[str, Field(description="ISO, UTC")]


class Part(BaseModel):
    """A part of an answer: no other keys, no NaN."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class DataAsOf(Part):
    """When each feed was last received; null where there is none."""

    node: str = Field(description="host label of the settings")
    equity_feed: Instant | None = None
    equity_options_feed: Instant | None = None
    index_feed: Instant | None = None
    index_options_feed: Instant | None = None
    futures_feed: Instant | None = None
    futures_options_feed: Instant | None = None
    flow_feed: Instant | None = None
    oi_feed: Instant | None = Field(default=None, description="close of the session whose open interest this is")
    macro_feed: Instant | None = None


class Envelope(Part):
    """On every answer."""

    endpoint_version: str = ENDPOINT_VERSION
    data_as_of: DataAsOf


class OfSymbol(Envelope):
    """An answer about one symbol at one moment."""

    symbol: str
    underlying_price: Usd | None
    as_of: Instant = Field(description="instant of the snapshot, ISO, UTC")
