"""Settlement prices of venues and files in the work file: each price as first received.

A venue sends the same prices in every run: loading them again changes nothing. A corrected price is stored in addition to the first, and
core.settlement_prices takes the one received last. So the order in which runs are loaded does not matter.
"""

from __future__ import annotations

import duckdb
import polars as pl

from models.contracts.settlements import DeliveryPrices
from warehouse.storage.transactions import mark_unpublished

NAME = "core.delivery_prices"
_ORDER = "received_at, payload_sha256, row_number, run_id"  # a total order, so that equal receipt times have a first one too


def load_settlements(con: duckdb.DuckDBPyConnection, prices: pl.DataFrame) -> int:
    """Store rows of `core.delivery_prices` that are new or were received before the stored ones; returns their number.

    The caller opens the transaction.
    """
    if prices.is_empty():
        return 0
    contract = DeliveryPrices
    key, columns = contract.primary_key(), ", ".join(contract.column_names())
    same = " and ".join(f"stored.{column} = received.{column}" for column in key)
    first = f"row_number() over (partition by {', '.join(key)} order by {_ORDER}) = 1"
    as_stored, as_received = (", ".join(f"{side}.{column}" for column in _ORDER.split(", ")) for side in ("stored", "received"))
    con.register("received_prices", prices)
    con.execute(
        f"""
        create or replace temp table first_prices as
        select received.*
        from (select {columns} from received_prices qualify {first}) as received
        left join {NAME} as stored on {same}
        where stored.underlying is null or ({as_received}) < ({as_stored})
        """
    )
    con.unregister("received_prices")
    count = int(con.execute("select count(*) from first_prices").fetchall()[0][0])
    if count:
        con.execute(f"delete from {NAME} as stored using first_prices as received where {same}")
        con.execute(f"insert into {NAME} ({columns}) select {columns} from first_prices order by {', '.join(key)}")
        mark_unpublished(con)
    con.execute("drop table first_prices")
    return count
