"""Times in declared columns, as naive UTC: texts by a format, dates with a time of day, numbers since 1970."""

from __future__ import annotations

from datetime import UTC

import polars as pl

from flows.formats.columns.mapping_keys import EPOCHS, OFFSET, Clock, Expiry, Instant, instant_in
from flows.formats.importer import EARLIEST, LATEST
from models.errors import FileError

ISO_DATE = "%Y-%m-%d"
ISO = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
INSTANT = pl.Datetime("us")


def instants(rule: Instant | Expiry, schema: pl.Schema) -> pl.Expr:
    """Instants of a column or of one value; null where it holds none between 2000 and 2040. Raises `FileError` for another type."""
    if isinstance(rule, Instant) and rule.value is not None:
        stated = pl.lit(instant_in(rule.value, rule).astimezone(UTC).replace(tzinfo=None))
    else:
        stated = _in_column(rule, schema)
    known = stated.cast(INSTANT)
    return pl.when(known.dt.date().is_between(EARLIEST, LATEST)).then(known)


def dates(rule: Instant | Expiry, schema: pl.Schema) -> pl.Expr:
    """Calendar dates of a column, as it writes them. Raises `FileError` for a type that is no date."""
    assert rule.column is not None
    column, dtype = pl.col(rule.column), schema[rule.column]
    if dtype == pl.String or (dtype.is_integer() and rule.format is not None):  # 20260302 is a number in many files
        return column.cast(pl.String).str.to_date(rule.format or ISO_DATE, strict=False)
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        return column.dt.date()
    raise FileError(f"column {rule.column} holds {dtype}, which is no date")


def settled_at(expiry: pl.Expr, clock: Clock) -> pl.Expr:
    """The instant of a time of day on each expiry date."""
    return in_zone(expiry.dt.combine(clock.at), clock.zone)


def in_zone(local: pl.Expr, zone: str | None) -> pl.Expr:
    """Naive local times as naive UTC; of a time that an autumn night has twice the first, null for one that a spring night leaves out."""
    if zone is None or zone == OFFSET:
        raise FileError("its times carry no offset: name their zone")
    aware = local.cast(INSTANT).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return aware.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def _in_column(rule: Instant | Expiry, schema: pl.Schema) -> pl.Expr:
    assert rule.column is not None
    column, dtype = pl.col(rule.column), schema[rule.column]
    at = rule.at if isinstance(rule, Instant) else None
    if at is not None:
        return in_zone(dates(rule, schema).dt.combine(at), rule.zone)
    if dtype == pl.Date:
        raise FileError(f"column {rule.column} holds dates: say at what time of day, with at")
    if dtype.is_numeric() or (dtype == pl.String and rule.format in EPOCHS):
        if rule.format not in EPOCHS:
            raise FileError(f"column {rule.column} holds numbers: say which, with format = {' or '.join(map(repr, EPOCHS))}")
        return (column.cast(pl.Float64, strict=False) * EPOCHS[rule.format]).round().cast(pl.Int64, strict=False).cast(INSTANT)
    if dtype == pl.String:
        return _from_text(column, rule)
    if isinstance(dtype, pl.Datetime):
        return in_zone(column, rule.zone) if dtype.time_zone is None else column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    raise FileError(f"column {rule.column} holds {dtype}, which is no time")


def _from_text(column: pl.Expr, rule: Instant | Expiry) -> pl.Expr:
    formats = [rule.format] if rule.format else ISO
    if rule.zone != OFFSET:
        return in_zone(pl.coalesce(column.str.to_datetime(one, strict=False) for one in formats), rule.zone)
    carried = formats if rule.format else [f"{one}%#z" for one in ISO]
    texts = pl.coalesce(column.str.to_datetime(one, strict=False, time_zone="UTC") for one in carried)
    return texts.dt.replace_time_zone(None)
