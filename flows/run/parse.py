"""Parse and load one underlying: archived replies to rows of the work file. A live run and a rebuild call the same functions."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

from flows.sources.source import Source
from models.chain import SETTLEMENTS_NONE, RawPayload
from models.contracts.ops import RejectedRowsTable
from models.contracts.settlements import DeliveryPrices
from models.errors import VenueError
from models.market.calendar import TradingCalendar
from models.snapshot import SnapshotRules, VenueReading, read_venues
from warehouse.home.logs import logged
from warehouse.load.merge import SnapshotLoad, VenueRows, load_snapshot
from warehouse.load.settlements import load_settlements
from warehouse.settings import Settings
from warehouse.storage.transactions import transaction

LOG = logging.getLogger("strikehouse.load")


@dataclass(frozen=True)
class Replies:
    """Replies of the books that hold one underlying on one venue, or why they are not there."""

    payloads: Sequence[RawPayload]
    error: str | None


@dataclass(frozen=True)
class UnderlyingLoad:
    """What a run made of one underlying."""

    underlying: str
    readings: Sequence[VenueReading]
    load: SnapshotLoad | None  # None: no venue gave an instant


def replies_for(ask: Mapping[str, Any], fetched: Mapping[tuple[str, str], Replies]) -> Replies:
    """The replies of all books that an ask needs; the first book that failed makes the venue fail."""
    books = [fetched[ask["venue"], book] for book in ask["books"]]
    errors = [book.error for book in books if book.error]
    return Replies([payload for book in books for payload in book.payloads], errors[0] if errors else None)


def read_chain(source: Source, underlying: str, replies: Replies, calendar: TradingCalendar) -> VenueReading:
    """Parse one underlying of one venue; what the venue did wrong is part of the reading."""
    if replies.error is not None:
        return VenueReading(source.name, source.market, None, replies.error, None)
    with logged(underlying=underlying, venue=source.name, step="parse"):
        try:
            chain = source.parse(replies.payloads, underlying, calendar)
        except VenueError as error:
            LOG.warning("%s", error, extra={"shown": True})
            return VenueReading(source.name, source.market, None, str(error), None)
        LOG.info("%d contracts, %d rows or values refused", chain.quotes.height, chain.rejected.height)
    digest = hashlib.sha256("".join(payload.sha256 for payload in replies.payloads).encode()).hexdigest()[:32]
    return VenueReading(source.name, source.market, chain, None, digest)


def load_underlying(
    con: duckdb.DuckDBPyConnection,
    underlying: str,
    readings: Sequence[VenueReading],
    *,
    run_id: str,
    origin: str,
    calendar: TradingCalendar,
    settings: Settings,
) -> UnderlyingLoad:
    """Load one underlying of one run: its settlement prices, then models, marts and checks of its snapshot in one transaction."""
    with logged(run_id=run_id, underlying=underlying, step="load"):
        with transaction(con):
            load_settlements(con, settlement_rows(settlements_of(readings), run_id=run_id, origin=origin))
        rows = venue_rows(underlying, readings, run_id=run_id, origin=origin, calendar=calendar, settings=settings)
        load = None if rows is None else load_snapshot(con, rows, calendar=calendar, settings=settings)
        if load is None:
            LOG.warning("no venue gave anything", extra={"shown": True})
        else:
            LOG.info("snapshot %s, %s", load.snapshot_id, "loaded" if load.is_changed else "known already")
        return UnderlyingLoad(underlying, readings, load)


def venue_rows(
    underlying: str, readings: Sequence[VenueReading], *, run_id: str, origin: str, calendar: TradingCalendar, settings: Settings
) -> VenueRows | None:
    """What a run read of one underlying, as rows; None when no venue gave an instant."""
    rules = SnapshotRules(settings.models.stale_venue_seconds, settings.checks.min_priced_share, settings.checks.min_side_share)
    rows = read_venues(underlying, list(readings), rules=rules, calendar=calendar, run_id=run_id, origin=origin)
    if rows is None:
        return None
    venues, quotes = rows
    return VenueRows(venues, quotes, _rejected(venues, readings))


def settlements_of(readings: Sequence[VenueReading]) -> list[pl.DataFrame]:
    """What chains say of expiries that are gone: `ParsedSettlements`."""
    return [reading.chain.settlements for reading in readings if reading.chain is not None]


def settlement_rows(parts: Sequence[pl.DataFrame], *, run_id: str, origin: str) -> pl.DataFrame:
    """Rows of `core.delivery_prices` of frames of `ParsedSettlements`."""
    prices = pl.concat([SETTLEMENTS_NONE, *parts])
    return prices.with_columns(run_id=pl.lit(run_id), origin=pl.lit(origin)).select(DeliveryPrices.column_names())


def _rejected(venues: pl.DataFrame, readings: Sequence[VenueReading]) -> pl.DataFrame:
    """Rows of `ops.rejected_rows` of one snapshot."""
    snapshot_id, underlying = venues.select("snapshot_id", "underlying").row(0)
    schema = pl.Schema({name: column.dtype for name, column in RejectedRowsTable.columns().items()})
    frames = [pl.DataFrame(schema=schema)]
    for reading in readings:
        if reading.chain is not None and reading.chain.rejected.height:
            labels = {"snapshot_id": pl.lit(snapshot_id), "venue": pl.lit(reading.venue), "underlying": pl.lit(underlying)}
            rows = reading.chain.rejected.rename({"column": "field"}).with_columns(**labels)
            frames.append(rows.select(list(schema)).cast(schema))
    return pl.concat(frames)
