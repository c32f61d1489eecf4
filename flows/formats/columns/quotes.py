"""Declared columns as contracts: rows of a mapped file as `ParsedQuotes`."""

from __future__ import annotations

import polars as pl

from flows.formats.columns.mapping import ColumnMapping
from flows.formats.columns.mapping_keys import Clock
from flows.formats.columns.times import settled_at
from flows.formats.osi import settled_by_root, us_terms
from flows.formats.table import EXTRA, FileTable
from flows.sources.cboe import osi_terms
from flows.sources.parsing.columns import quotes_table
from models.market.calendar import TradingCalendar, new_york_time

AT, OF, EXPIRES = "\x00captured_at", "\x00underlying", "\x00expires"  # what tells chains apart, and the declared expiry
GREEKS = ("delta", "gamma", "vega", "theta")
OF_ROW = ("root", "book", "strike", "multiplier", "spot", "forward")
OF_SIDE = ("open_interest", "volume", "bid", "ask", "mark", "iv", *GREEKS)


def contract_rows(rows: pl.DataFrame, mapping: ColumnMapping) -> pl.DataFrame:
    """Rows of the file, which has `AT`, `OF` and `EXPIRES`, as one row per contract, under the names of the mapping's keys."""
    of_row = {key: declared.cells for key in OF_ROW if (declared := getattr(mapping, key)) is not None}
    sides = []
    for kind, side in mapping.sides.items():
        own = {key: declared.cells for key in OF_SIDE if (declared := getattr(side, key)) is not None}
        option_types = pl.lit(kind, dtype=pl.String)
        if mapping.option_type is not None:
            named = {mapping.option_type.call: "C", mapping.option_type.put: "P"}
            option_types = pl.col(mapping.option_type.column).cast(pl.String).replace_strict(named, default=None, return_dtype=pl.String)
        assert side.instrument is not None
        name = pl.lit(None, dtype=pl.String) if side.instrument.column is None else pl.col(side.instrument.column)
        contracts = rows.select("row_number", EXTRA, AT, OF, EXPIRES, **of_row, **own, option_type=option_types, instrument=name)
        sides.append(contracts if side.instrument.column else _with_osi_names(contracts))
    return pl.concat(sides).sort("row_number", maintain_order=True)


def quotes_of(table: FileTable, mapping: ColumnMapping, underlying: str, calendar: TradingCalendar) -> pl.DataFrame:
    """The contracts of one chain as `ParsedQuotes`; refuses what does not tell which contract it is."""
    side = next(iter(mapping.sides.values()))
    terms = _terms(table, mapping, underlying, calendar)
    multiplier = table.number("multiplier", is_required=True)
    table.refuse_rows(multiplier <= 0, "bad_multiplier", "multiplier")
    forward = table.number("forward", zero_is_missing=True) if mapping.forward else table.nothing()
    usd = forward if mapping.price_unit == "coin" else pl.repeat(1.0, table.height, eager=True)  # per unit of a price

    def number(key: str) -> pl.Series:
        if getattr(side, key) is None:
            return table.nothing()
        return table.number(key, is_signed=key in ("delta", "theta"), zero_is_missing=key in mapping.zero_is_missing)

    def amount(key: str) -> pl.Series:
        declared = getattr(side, key)
        if declared is None:
            return table.nothing()
        counted = table.number(key, is_essential=key == "open_interest")
        return table.lots(counted * multiplier if declared.unit == "contracts" else counted, None)

    oi, volume = amount("open_interest"), amount("volume")
    table.refuse_duplicates()
    columns = terms.with_columns(
        multiplier.alias("multiplier"),
        oi_base=oi,
        volume_base=volume,
        **{key: number(key) * usd for key in ("bid", "ask", "mark")},
        venue_iv=(number("iv") / (100 if side.iv and side.iv.unit == "percent" else 1)).round(12),
        **{f"venue_{key}": number(key) for key in GREEKS},
        venue_forward=forward,
    )
    return quotes_table([table.quotes(columns)])


def _terms(table: FileTable, mapping: ColumnMapping, underlying: str, calendar: TradingCalendar) -> pl.DataFrame:
    """Columns root, book, option_type, strike, expiry, expires_at, is_adjusted, exercise."""
    is_us = mapping.market == "us"
    class_key = "root" if is_us else "book"
    if mapping.is_named:
        terms = osi_terms(table.names)
    else:
        terms = table.rows.select("option_type", expiry=EXPIRES).with_columns(
            table.number("strike", is_required=True).alias("strike"), table.text(class_key).alias("root")
        )
    for field, reason in (("root", f"no_{class_key}"), ("option_type", "bad_type"), ("strike", "bad_strike"), ("expiry", "bad_expiry")):
        table.refuse_rows(terms[field].is_null(), reason, field)
    table.refuse_rows(terms["strike"] <= 0, "bad_strike", "strike")
    root, expiry = terms["root"], terms["expiry"]
    if mapping.settlement == "in_expiry":
        expires_at = expiry
    elif isinstance(mapping.settlement, Clock):
        expires_at = terms.select(settled_at(pl.col("expiry"), mapping.settlement)).to_series()
    elif mapping.settlement == "by_root":
        expires_at = settled_by_root(root, expiry, calendar)
    else:
        expires_at = calendar.settlement_instants(expiry, pl.repeat(mapping.settlement == "at_open", table.height, eager=True))
    own = us_terms(root, underlying) if is_us else {"book": root, "is_adjusted": False, "exercise": pl.lit("european")}
    local = new_york_time(pl.col("expires_at")) if is_us else pl.col("expires_at")
    return terms.with_columns(expires_at=expires_at, **own).with_columns(expiry=local.dt.date())


def _with_osi_names(contracts: pl.DataFrame) -> pl.DataFrame:
    """Contracts with names composed of their root, expiry, type and strike; null where one of these cannot be read."""
    thousandths = (pl.col("strike").cast(pl.Float64, strict=False) * 1000).round().cast(pl.Int64, strict=False)
    day = pl.col(EXPIRES).dt.strftime("%y%m%d")
    name = pl.concat_str(pl.col("root"), day, "option_type", thousandths.cast(pl.String).str.zfill(8))
    return contracts.with_columns(instrument=name)
