"""A venue's reply: raw bytes, and the typed chain that a parser returns for them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

import dataframely as dy
import polars as pl


@dataclass(frozen=True)
class Book:
    """One unit of fetching: what a venue serves together (Deribit `BTC`, `USDC`; Cboe one symbol)."""

    venue: str
    name: str  # the archive folder, and the `book` column unless a venue serves several at once: "BTC", "USDC", "SPX"


@dataclass(frozen=True)
class RawPayload:
    """One reply of a venue, byte for byte, with what is needed to read it again in ten years."""

    venue: str
    book: str
    name: str  # the request that it answers, unique within the book of one run: "chain", "instruments", "index-btc_usd"
    url: str
    params: Mapping[str, str]
    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_at: datetime  # UTC, aware
    received_at: datetime  # UTC, aware

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the body."""
        return hashlib.sha256(self.body).hexdigest()


class ParsedQuotes(dy.Schema):
    """Contracts as one venue lists them for one underlying, in our units. One row per instrument."""

    instrument = dy.String(primary_key=True, description="one listed contract, named exactly as its venue names it")
    root = dy.String(description="option class inside the underlying; for crypto the book")
    book = dy.String(description="settlement currency or family inside the venue")
    option_type = dy.String(description="C or P")
    strike = dy.Float64(min_exclusive=0, description="strike", metadata={"unit": "USD"})
    expiry = dy.Date(description="calendar date of expires_at in the market's zone")
    expires_at = dy.Datetime(description="settlement instant, UTC")
    is_adjusted = dy.Bool(description="non-standard deliverable: stored and counted, kept out of marts")
    exercise = dy.String(description="european or american")
    multiplier = dy.Float64(min_exclusive=0, description="underlying units per contract", metadata={"unit": "base"})
    oi_base = dy.Float64(nullable=True, min=0, description="open interest; null when the venue does not say", metadata={"unit": "base"})
    volume_base = dy.Float64(nullable=True, min=0, description="volume of the venue's own day", metadata={"unit": "base"})
    bid = dy.Float64(nullable=True, description="best bid; null without one", metadata={"unit": "USD"})
    ask = dy.Float64(nullable=True, description="best ask; null without one", metadata={"unit": "USD"})
    mark = dy.Float64(nullable=True, description="the venue's own mark or theoretical price", metadata={"unit": "USD"})
    venue_iv = dy.Float64(nullable=True, description="the venue's implied volatility, annualised fraction", metadata={"unit": "fraction"})
    venue_delta = dy.Float64(nullable=True, description="the venue's delta, for audit")
    venue_gamma = dy.Float64(nullable=True, description="the venue's gamma, for audit", metadata={"unit": "1/USD"})
    venue_vega = dy.Float64(nullable=True, description="the venue's vega in the venue's own unit, for audit")
    venue_theta = dy.Float64(nullable=True, description="the venue's theta in the venue's own unit, for audit")
    venue_forward = dy.Float64(nullable=True, description="the forward that the venue gives with this row", metadata={"unit": "USD"})
    payload_sha256 = dy.String(description="hash of the reply that holds the row")
    row_number = dy.Int64(min=0, description="place of the row in that reply, from 0")


class RejectedRows(dy.Schema):
    """What a parser refused, and why. One row per refused row or value."""

    payload_sha256 = dy.String(description="hash of the reply that holds the row")
    row_number = dy.Int64(min=0, description="place of the row in that reply, from 0")
    instrument = dy.String(nullable=True, description="the row's instrument, where it has one")
    reason = dy.String(description="why, one word: bad_name, not_a_number, negative, duplicate, conflicting_duplicate …")
    column = dy.String(nullable=True, description="the venue's field that was refused")
    value = dy.String(nullable=True, description="the offending value as the venue sent it")
    is_row_kept = dy.Bool(description="true: only this value became null; false: the whole row is left out")


class ParsedSettlements(dy.Schema):
    """Settlement prices as a venue or a file gives them. One row per underlying, expires_at, source."""

    underlying = dy.String(primary_key=True, description="what the option is on")
    expires_at = dy.Datetime(primary_key=True, description="settlement instant, UTC")
    source = dy.String(primary_key=True, description="who says so: deribit:<index>, or what an imported file says")
    settlement_price = dy.Float64(min_exclusive=0, description="price at which options of that instant settled", metadata={"unit": "USD"})
    received_at = dy.Datetime(description="when it was received, UTC")
    payload_sha256 = dy.String(description="hash of the reply that holds the row")
    row_number = dy.Int64(min=0, description="place of the row in that reply, from 0")


SETTLEMENTS_NONE = ParsedSettlements.create_empty()  # creating one takes as long as reading 200 rows


@dataclass(frozen=True)
class ParsedChain:
    """All contracts of one underlying on one venue, as `parse` reads them from that venue's payloads.

    `quotes` follows `ParsedQuotes` and `rejected` follows `RejectedRows`, both in the order of the payload rows; `settlements` follows
    `ParsedSettlements`: settlement prices of past expiries.
    """

    underlying: str
    venue: str
    market: str  # "us" or "crypto"
    venue_instant: datetime  # UTC, aware (definitions §1)
    received_at: datetime  # UTC, aware: when the last of its payloads came
    session_date: date | None  # US: New York date of the underlying's last trade; crypto: None, it follows captured_at
    spot: float | None  # USD (definitions §2)
    spot_source: str | None  # "close", "current_price", "index"; of an imported file also "last" or "file"
    spot_current: float | None  # US: current_price
    spot_close: float | None  # US: close
    prev_day_close: float | None  # US
    quotes: pl.DataFrame
    rejected: pl.DataFrame
    warnings: tuple[str, ...] = ()  # unverified settings in use, missing fields
    unknown_fields: Mapping[str, int] = field(default_factory=dict)  # field name -> rows that carry it
    incomplete_reason: str | None = None  # why the chain is incomplete, such as a near-the-money download
    settlements: pl.DataFrame = field(default_factory=lambda: SETTLEMENTS_NONE)
