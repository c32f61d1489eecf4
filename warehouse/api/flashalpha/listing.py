"""/v1/options, /v1/tickers and /v1/symbols: stored chains and symbols; under /historical, their coverage."""

from __future__ import annotations

from typing import Annotated, Any

import polars as pl
from fastapi import Query
from pydantic import Field

from warehouse.api.flashalpha.chain import AtMoment, Chain, Moment, OfChain
from warehouse.api.flashalpha.convert import day, instant
from warehouse.api.flashalpha.envelope import DataAsOf, Day, Envelope, Instant, Part, Usd
from warehouse.api.flashalpha.errors import no_coverage
from warehouse.api.flashalpha.parameters import normalised

NOTE = "Every stored underlying; see /v2/symbols for freshness."


class ListedExpiration(Part):
    """One expiration date and its strikes."""

    expiration: Day
    strikes: list[Usd]


class Options(Envelope):
    """What a chain lists."""

    symbol: str
    expirations: list[ListedExpiration]
    expiration_count: int
    total_contracts: int = Field(description="calls and puts, of all venues")


class Tickers(Envelope):
    """Underlyings that this server can serve: stored, or on the watchlist."""

    tickers: list[str]
    count: int


class Symbols(Envelope):
    """Underlyings with a stored snapshot."""

    symbols: list[str]
    count: int
    note: str | None
    last_updated: Instant | None


class Span(Part):
    """Which days are stored."""

    first: Day
    last: Day
    total_days: int = Field(description="sessions, in crypto days, from the first to the last")
    healthy_days: int = Field(description="those with a usable snapshot")


class Stored(Part):
    """How much a table holds."""

    snapshots: int
    rows: int | None = None


class CoverageOfSymbol(Part):
    """What is stored of one underlying."""

    symbol: str
    coverage: Span
    tables: dict[str, Stored]
    gaps: dict[str, str] = Field(description="days without a usable snapshot, and why")
    updated_at: Instant


class Coverage(Envelope, CoverageOfSymbol):
    """What is stored of the underlying asked for."""


class CoverageOfAll(Envelope):
    """What is stored of each underlying."""

    symbols: list[CoverageOfSymbol]
    count: int


OneSymbol = Annotated[str | None, Query(description="Only this underlying")]


def options(chain: OfChain) -> Options:
    """Expirations with their strikes."""
    listed = chain.contracts()
    if listed.is_empty():
        raise chain.nothing(None)
    strikes = listed.group_by("expiry", maintain_order=True).agg(pl.col("strike").unique().sort()).sort("expiry")
    rows = [ListedExpiration(expiration=day(expiry), strikes=of_date) for expiry, of_date in strikes.iter_rows()]
    total = int(listed["contracts"].sum())
    return Options(symbol=chain.symbol, expirations=rows, expiration_count=len(rows), total_contracts=total, data_as_of=chain.feeds())


def tickers(when: AtMoment) -> Tickers:
    """Underlyings that can be served; at an earlier moment those stored by then."""
    stored = when.report("underlyings", at=when.at)["underlying"].to_list()
    names = sorted({*stored, *(when.settings.watchlist if when.at is None else ())})
    return Tickers(tickers=names, count=len(names), data_as_of=newest_feeds(when, stored))


def symbols(when: AtMoment) -> Symbols:
    """Underlyings with a stored snapshot."""
    underlyings = when.report("underlyings", at=when.at)
    names = underlyings["underlying"].to_list()
    newest: Any = underlyings["captured_at"].max()
    return Symbols(symbols=names, count=len(names), note=NOTE, last_updated=instant(newest), data_as_of=newest_feeds(when, names))


def coverage(when: AtMoment, symbol: OneSymbol = None) -> Coverage | CoverageOfAll:
    """What is stored, of one underlying or of each, up to the moment asked."""
    requested = None if symbol is None else normalised(symbol)
    rows = when.report("coverage", underlying=requested, at=when.at).to_dicts()
    names = [row["underlying"] for row in rows]
    if requested is not None:
        if not rows:
            raise no_coverage(requested)
        return Coverage(**_coverage(when, rows[0]).model_dump(), data_as_of=newest_feeds(when, names))
    return CoverageOfAll(symbols=[_coverage(when, row) for row in rows], count=len(rows), data_as_of=newest_feeds(when, names))


def _coverage(when: Moment, row: dict[str, Any]) -> CoverageOfSymbol:
    gaps = when.report("gaps", underlying=row["underlying"], at=when.at)
    return CoverageOfSymbol(
        symbol=row["underlying"],
        coverage=Span(
            first=day(row["first_date"]),
            last=day(row["last_date"]),
            total_days=row["total_days"],
            healthy_days=row["total_days"] - gaps.height,
        ),
        tables={
            "core.option_quotes": Stored(snapshots=row["snapshots"], rows=row["quote_rows"]),
            "core.snapshots": Stored(snapshots=row["snapshots"], rows=row["snapshots"]),
        },
        gaps={day(date): reason for date, reason in gaps.iter_rows()},
        updated_at=instant(row["captured_at"]) or "",
    )


def newest_feeds(when: Moment, names: list[str]) -> DataAsOf:
    """The newest instant of each feed over several underlyings."""
    feeds: dict[str, str] = {}
    for name in names:
        snapshot = when.snapshot(name, when.at)
        if snapshot is not None:
            instants = Chain(when, snapshot).feeds().model_dump(exclude={"node"}, exclude_none=True)
            feeds |= {feed: max(at, feeds.get(feed, "")) for feed, at in instants.items()}
    return DataAsOf.model_validate({"node": when.settings.api.host_label, **feeds})
