"""Any CSV or Parquet file whose columns a mapping declares (flows/formats/columns/mapping.py), one row per contract or per strike.

A file may hold many chains: one per underlying and `captured_at`. A large one is read in parts, so that memory stays bounded. A row's
place is its line in a CSV, its number in Parquet, both from 0.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl

from flows.formats.columns.mapping import UNDERLYING, ColumnMapping
from flows.formats.columns.quotes import AT, EXPIRES, OF, contract_rows, quotes_of
from flows.formats.columns.times import dates, instants
from flows.formats.importer import Importer
from flows.formats.table import EXTRA, FileTable, no_table, scan_csv
from models.chain import ParsedChain, RawPayload
from models.errors import FileError
from models.market.calendar import TradingCalendar

ROWS_PER_PART = 100_000  # contracts that are in memory at once
PARQUET = b"PAR1"


class ColumnsFile(Importer):
    """Chains in declared columns."""

    format = "columns"
    suffixes = (".csv", ".parquet")

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        self.mapping = ColumnMapping.model_validate(mapping)
        self.venue, self.market = self.mapping.venue, self.mapping.market

    def parts(self, payload: RawPayload) -> int:
        rows = payload.body.count(b"\n")
        if payload.body.startswith(PARQUET):
            try:
                rows = pl.scan_parquet(io.BytesIO(payload.body)).select(pl.len()).collect().item()
            except pl.exceptions.PolarsError:
                return 1  # `parse` says what is wrong
        return max(1, rows * len(self.mapping.sides) // ROWS_PER_PART)

    def parse(self, payload: RawPayload, calendar: TradingCalendar, part: int = 0, parts: int = 1) -> Iterator[ParsedChain]:
        try:
            rows = self._scan(payload)
            chains = rows.select(AT, OF).drop_nulls().unique().collect().sort(AT, OF)
            if chains.is_empty():
                raise FileError("no row tells an underlying and captured_at as the mapping says. Correct format and zone there")
            own = chains[part * chains.height // parts : (part + 1) * chains.height // parts]
            own_rows = rows.join(own.lazy(), on=[AT, OF], how="semi").collect().sort("row_number")
            # rows that name no chain are refused in the file's first one
            nobodys = rows.filter(pl.any_horizontal(pl.col(AT, OF).is_null()) & pl.lit(part == 0)).collect()
        except pl.exceptions.PolarsError as error:
            raise no_table(error) from None
        for (at, underlying), group in own_rows.partition_by([AT, OF], as_dict=True, maintain_order=True).items():
            contracts = contract_rows(pl.concat([group, nobodys]).sort("row_number"), self.mapping)
            nobodys = nobodys.clear()
            table = FileTable(payload, contracts, key="instrument", missing=self.mapping.missing, labels=self.mapping.labels)
            yield self._chain(payload, table, at.replace(tzinfo=UTC), underlying, calendar)

    def _scan(self, payload: RawPayload) -> pl.LazyFrame:
        """The file's rows with `row_number`, `AT`, `OF` and `EXPIRES`."""
        is_parquet = payload.body.startswith(PARQUET)
        rows = (
            pl.scan_parquet(io.BytesIO(payload.body), row_index_name="row_number")
            if is_parquet
            else scan_csv(payload.body, separator=self.mapping.separator)
        )
        schema = rows.collect_schema()
        absent = [f"{column} ({key})" for key, column in self.mapping.columns if column not in schema]
        if absent:
            known = [name for name in schema if name not in ("row_number", EXTRA)]
            raise FileError(f"it has no column {', '.join(absent)}; it has {', '.join(known)[:200]}")
        mapping = self.mapping
        underlying = mapping.underlying.cells.cast(pl.String)
        expires = pl.lit(None)
        if mapping.expiry is not None:
            expires = (instants if mapping.settlement == "in_expiry" else dates)(mapping.expiry, schema)
        return rows.with_columns(
            pl.col("row_number").cast(pl.Int64),
            instants(mapping.captured_at, schema).dt.truncate("1s").alias(AT),  # a snapshot is named by its second
            pl.when(underlying.str.contains(UNDERLYING)).then(underlying).alias(OF),
            expires.alias(EXPIRES),
            **({} if EXTRA in schema else {EXTRA: pl.lit(None, dtype=pl.String)}),
        )

    def _chain(self, payload: RawPayload, table: FileTable, at: datetime, underlying: str, calendar: TradingCalendar) -> ParsedChain:
        table.refuse_rows(table.rows[AT].is_null(), "no_instant", "captured_at")
        table.refuse_rows(table.rows[OF].is_null(), "no_underlying", "underlying")
        spots = table.number("spot", zero_is_missing=True).filter(table.is_accepted).drop_nulls()
        spot = spots.median()
        table.note(spots.n_unique() if spots.n_unique() > 1 else 0, "values of spot in one chain: their median counts")
        return self.chain(
            payload,
            underlying,
            at,
            spot=spot if isinstance(spot, float) else None,
            spot_source="file",
            quotes=quotes_of(table, self.mapping, underlying, calendar),
            tables=[table],
            session_date=calendar.last_session_open_for(at) if self.market == "us" else None,
        )
