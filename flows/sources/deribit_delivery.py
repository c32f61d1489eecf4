"""Deribit's delivery prices: at what price the options of each past day settled, by index and date.

What to know: the newest day comes first, days have no time (options settle at 08:00 UTC), and the index of a linear book
(`btc_usdc`) has delivery prices of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import polars as pl

from flows.sources.parsing.columns import Columns, field_names
from models.chain import SETTLEMENTS_NONE, ParsedSettlements, RawPayload
from models.market.calendar import CRYPTO_SETTLEMENT, FIRST_DAY, LAST_DAY

DELIVERY = "delivery-"
DAYS = 100  # asked for each time: a warehouse that stood still for a season misses none, and the reply is a few kilobytes
DATE, PRICE = "date", "delivery_price"


class DeliveryReplies:
    """What replies say of past settlements of one underlying: `prices` (`ParsedSettlements`), `refused` rows, and `notes` for people."""

    def __init__(self) -> None:
        self.prices: pl.DataFrame = SETTLEMENTS_NONE
        self.refused: list[pl.DataFrame] = []
        self.notes: list[str] = []

    def add(self, payload: RawPayload, rows: Sequence[Any], underlying: str, index: str) -> None:
        """One more reply."""
        prices, columns = delivery_prices(payload, rows, underlying, index)
        self.prices = pl.concat([self.prices, prices])
        self.refused.append(columns.rejected())
        self.notes += columns.warnings


def delivery_query(index: str) -> dict[str, str]:
    """Parameters of `get_delivery_prices`."""
    return {"index_name": index, "offset": "0", "count": str(DAYS)}


def delivery_prices(payload: RawPayload, rows: Sequence[Any], underlying: str, index: str) -> tuple[pl.DataFrame, Columns]:
    """Rows of a reply as `ParsedSettlements`, by instant; and the columns that they were read from, with what was refused."""
    columns = Columns(payload, rows, key=DATE, documented=field_names(f"{DATE} {PRICE}"))
    price = columns.number(PRICE, is_essential=True)
    columns.refuse_rows((price.fill_null(0) == 0).arg_true(), "no_price", PRICE)
    day = columns.names.str.to_date("%Y-%m-%d", strict=False)
    is_day = day.is_between(FIRST_DAY, LAST_DAY).fill_null(False)
    columns.refuse_rows((~is_day).arg_true(), "no_date", DATE)
    columns.refuse_duplicates()
    table = columns.table([day.alias("day"), price.alias("settlement_price")])
    prices = columns.accepted(table).select(
        underlying=pl.lit(underlying),
        expires_at=pl.col("day").dt.combine(CRYPTO_SETTLEMENT, "us"),
        source=pl.lit(f"deribit:{index}"),
        settlement_price="settlement_price",
        received_at=pl.lit(payload.received_at.astimezone(UTC).replace(tzinfo=None), dtype=pl.Datetime("us")),
        payload_sha256="payload_sha256",
        row_number="row_number",
    )
    return prices.sort("expires_at").select(ParsedSettlements.column_names()), columns
