"""Binance Vision `EOHSummary` files: the 24 hourly chains of one day, one row per contract and hour.

What to know: the hour label names the hour at whose END the row was taken (12 is 12:59:59 UTC); `strike` holds `yymmdd-strike`, so the
symbol tells; zeros print as `0E-8`, a price of 0 is none, an IV of -1E-8 is none; open interest is empty for contracts just listed;
no column holds the index, but open interest in USDT over open interest is it, on every live row of an hour; contracts that settle that
day are listed up to hour 08, with the settlement price for an index; volume is that of one hour, not of a day, and is not taken;
prices are per contract of several coins for XRP and DOGE.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import log

import polars as pl

from flows.formats.importer import EARLIEST, LATEST, Importer
from flows.formats.table import EXTRA, FileTable, read_csv
from flows.sources.binance import BOOK, LOT, NAME
from flows.sources.parsing.columns import field_names, quotes_table
from flows.sources.parsing.contracts import SETTLES_AT
from models.chain import ParsedChain, RawPayload
from models.errors import FileError
from models.market.calendar import TradingCalendar

KEY, COUNT, VALUE = "symbol", "openinterest_contracts", "openinterest_usdt"
NEEDED = ("date", "hour", KEY, COUNT, VALUE)
COLUMNS = field_names(
    "date hour symbol underlying type strike open high low close volume_contracts volume_usdt best_bid_price best_ask_price best_bid_qty "
    "best_ask_qty best_buy_iv best_sell_iv mark_price mark_iv delta gamma vega theta openinterest_contracts openinterest_usdt"
)
UNITS = {"XRP": 100.0, "DOGE": 1000.0}  # coins per contract (venues §4.4); others 1
LABEL_TO_INSTANT = timedelta(minutes=59, seconds=59)
INDEX_DECIMALS = 8  # as the venue prints its index


class BinanceVision(Importer):
    """Hourly option chains that data.binance.vision publishes."""

    format = "binance-vision"
    suffixes = (".csv",)
    venue = "binance"
    market = "crypto"

    def parse(self, payload: RawPayload, calendar: TradingCalendar, part: int = 0, parts: int = 1) -> Iterator[ParsedChain]:
        cells = read_csv(payload.body)
        absent = [name for name in NEEDED if name not in cells.columns]
        if absent:
            raise FileError(f"it is no EOHSummary file: it has no column {', '.join(absent)}")
        hour = (pl.col("date") + pl.col("hour").str.zfill(2) + ":00").str.to_datetime("%Y-%m-%d%H:%M", strict=False)
        hour = pl.when(hour.dt.date().is_between(EARLIEST, LATEST)).then(hour)
        labelled = cells.with_columns(hour=hour, underlying=pl.col(KEY).str.extract(NAME, 1))
        keys = labelled.select("underlying", "hour").drop_nulls().unique().sort("hour", "underlying")
        if keys.is_empty():
            raise FileError("no row names an hour and a contract (such as BTC-231229-34000-C). Download it again")
        for index, (underlying, start) in enumerate(keys.iter_rows()):
            is_own = (pl.col("underlying") == underlying) & (pl.col("hour") == start)
            is_nobodys = pl.col("underlying").is_null() | pl.col("hour").is_null()  # refused in the first chain
            own = labelled.filter(is_own | is_nobodys if index == 0 else is_own)
            table = FileTable(payload, own, key=KEY)
            unknown = set(cells.columns) - COLUMNS - {"row_number", EXTRA}
            yield self._chain(payload, table, underlying, start.replace(tzinfo=UTC) + LABEL_TO_INSTANT, unknown)

    def _chain(self, payload: RawPayload, table: FileTable, underlying: str, instant: datetime, unknown: set[str]) -> ParsedChain:
        table.refuse_rows(table.rows["hour"].is_null(), "no_instant", "date")
        parts = table.names.str.extract_groups(NAME).struct.unnest()
        terms = parts.select(
            option_type="cp",
            strike=pl.col("k").cast(pl.Float64),
            expires_at=("20" + pl.col("ymd")).str.to_date("%Y%m%d", strict=False).dt.combine(SETTLES_AT),
        )
        table.refuse_rows(terms["expires_at"].is_null() | (terms["strike"] == 0), "bad_name")
        count, value = table.number(COUNT), table.number(VALUE)
        table.refuse_duplicates()
        unit = UNITS.get(underlying, 1.0)
        live = terms.with_columns(price=value / count).filter(
            table.is_accepted & (count > 0).fill_null(False) & (terms["expires_at"] > instant.replace(tzinfo=None)).fill_null(False)
        )
        price, strike = live["price"].median(), live["strike"].median()
        notes, coins = [], count
        if isinstance(price, float) and isinstance(strike, float) and abs(log(price / unit / strike)) < abs(log(price / strike)):
            price, coins = price / unit, count * unit  # the counts are of contracts, not of coins
        if unit != 1:
            notes.append(f"open interest counts {'coins' if coins is count else f'contracts of {unit:g} coins'}: its value in USDT says so")
        return self.chain(
            payload,
            underlying,
            instant,
            spot=round(price, INDEX_DECIMALS) if isinstance(price, float) else None,
            spot_source="index",
            quotes=_quotes(table, terms, coins, unit),
            tables=[table],
            notes=notes,
            unknown_fields=unknown,
        )


def _quotes(table: FileTable, terms: pl.DataFrame, coins: pl.Series, unit: float) -> pl.DataFrame:
    """The contracts as `ParsedQuotes`; prices in USD per coin."""
    iv = table.number("mark_iv", is_signed=True)
    columns = terms.with_columns(
        table.lots(coins, LOT).alias("oi_base"),
        iv.set((iv <= 0).fill_null(False), None).alias("venue_iv"),
        root=pl.lit(BOOK),
        book=pl.lit(BOOK),
        expiry=pl.col("expires_at").dt.date(),
        is_adjusted=False,
        exercise=pl.lit("european"),
        multiplier=pl.lit(unit),
        bid=table.number("best_bid_price", zero_is_missing=True) / unit,
        ask=table.number("best_ask_price", zero_is_missing=True) / unit,
        mark=table.number("mark_price", zero_is_missing=True) / unit,
        venue_delta=table.number("delta", is_signed=True),
        venue_gamma=table.number("gamma", zero_is_missing=True),
        # the unit of vega differs between rows and theta cannot be told (venues §4.4); there is no forward
        **dict.fromkeys(("volume_base", "venue_vega", "venue_theta", "venue_forward"), table.nothing()),
    )
    return quotes_table([table.quotes(columns)])
