"""Settlement prices in a CSV: underlying, expires_at, settlement_price, source. What no feed shows, such as the morning settlement of SPX.

Every line must be readable: a price that is left out in silence would look like one that is not known. `expires_at` is the settlement
instant, ISO 8601, UTC where it names no offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

import polars as pl

from flows.formats.columns.mapping import UNDERLYING
from flows.formats.importer import EARLIEST, LATEST, Importer
from flows.formats.table import EXTRA, read_csv
from flows.sources.parsing.columns import NUMERIC_TEXT, TOO_LARGE
from models.chain import ParsedChain, ParsedSettlements, RawPayload
from models.errors import FileError
from models.market.calendar import TradingCalendar

COLUMNS = ("underlying", "expires_at", "settlement_price", "source")
KEY = ["underlying", "expires_at", "source"]
INSTANT = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:?\d{2})?$"
HAS_OFFSET = r"(Z|[+-]\d{2}:?\d{2})$"


class Settlements(Importer):
    """Settlement prices; the file holds no chain."""

    format = "settlements"
    suffixes = (".csv",)
    venue = "settlements"  # the folder of the archive; each row says its own source

    def parse(self, payload: RawPayload, calendar: TradingCalendar, part: int = 0, parts: int = 1) -> Iterator[ParsedChain]:
        return iter(())

    def settlements(self, payload: RawPayload) -> pl.DataFrame:
        """All rows of the file, in its order."""
        cells = read_csv(payload.body)
        absent = [name for name in COLUMNS if name not in cells.columns]
        if absent:
            raise FileError(f"it has no column {', '.join(absent)}. Its first line must name {', '.join(COLUMNS)}")
        is_price = pl.col("settlement_price").str.contains(f"^(?:{NUMERIC_TEXT.pattern})$")
        rows = cells.select(
            pl.when(pl.col("underlying").str.contains(UNDERLYING)).then("underlying").alias("underlying"),
            _instant(pl.col("expires_at")).alias("expires_at"),
            "source",
            pl.when(is_price).then("settlement_price").cast(pl.Float64, strict=False).alias("settlement_price"),
            pl.lit(payload.received_at.astimezone(UTC).replace(tzinfo=None), dtype=pl.Datetime("us")).alias("received_at"),
            pl.lit(payload.sha256).alias("payload_sha256"),
            "row_number",
        )
        price = pl.col("settlement_price")
        self._refuse(cells, rows, ~price.is_between(0, TOO_LARGE, closed="none") | price.is_null(), "settlement_price", "is no price")
        what = "is no instant such as 2026-12-18T14:30:00Z (a date alone does not tell AM from PM)"
        self._refuse(cells, rows, pl.col("expires_at").is_null(), "expires_at", what)
        is_known = pl.col("expires_at").dt.date().is_between(EARLIEST, LATEST)
        self._refuse(cells, rows, ~is_known, "expires_at", f"is not between {EARLIEST} and {LATEST}")
        self._refuse(cells, rows, pl.col("underlying").is_null(), "underlying", "is no symbol")
        self._refuse(cells, rows, pl.col("source").is_null(), "source", "is empty: say who published the price")
        self._refuse(cells, rows, pl.struct(KEY).is_duplicated(), "expires_at", "comes twice for one underlying and source")
        extra = pl.Series(cells[EXTRA].is_not_null())
        self._refuse(cells, rows, extra, EXTRA, "is one cell too many")
        return ParsedSettlements.validate(rows.select(ParsedSettlements.column_names()), cast=True)

    def _refuse(self, cells: pl.DataFrame, rows: pl.DataFrame, is_bad: pl.Expr | pl.Series, field: str, what: str) -> None:
        """Refuse the file when any row is bad, naming the first."""
        bad = rows.with_columns(shown=cells[field]).filter(is_bad)
        if bad.height:
            line, shown = bad.row(0, named=True)["row_number"] + 1, (bad["shown"][0] or "")[:40]
            others = f" (and {bad.height - 1} more)" if bad.height > 1 else ""
            name = field if field in COLUMNS else "cell"
            raise FileError(f"line {line}: {name} {shown!r} {what}{others}. Nothing of the file is used; correct it")


def _instant(text: pl.Expr) -> pl.Expr:
    """Texts of instants as naive UTC; null where they are none."""
    plain = pl.when(text.str.contains(INSTANT)).then(text.str.replace(" ", "T", literal=True))
    aware = pl.when(plain.str.contains(HAS_OFFSET)).then(plain).otherwise(plain + "Z")
    with_seconds = aware.str.replace(r"^(.{16})(Z|[+-])", "${1}:00${2}")
    return with_seconds.str.to_datetime("%Y-%m-%dT%H:%M:%S%#z", time_unit="us", time_zone="UTC", strict=False).dt.replace_time_zone(None)
