"""Chains by hand: a few lines say which contracts are listed, and they take the same way into a snapshot as a venue's.

    rows = listed(95, call=10, put=20) + listed(100, call=5) + listed(105, put=None)
    tables = snapshot(chain(rows, spot=99.0), calendar=calendar)
    tables["marts.max_pain"]

A side that is not named is not listed; `None` is listed without known open interest. Open interest is in contracts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from flows.run.parse import venue_rows
from models.chain import ParsedChain, ParsedQuotes, ParsedSettlements, RejectedRows
from models.market.calendar import TradingCalendar
from models.snapshot import OK, VenueReading
from warehouse.load.compute import compute_snapshot
from warehouse.load.merge import VenueRows
from warehouse.settings import CheckSettings, Settings, StorageSettings

AT = datetime(2026, 3, 2, 22, tzinfo=UTC)  # a Monday after the close
FRIDAY = datetime(2026, 3, 6, 21)  # naive UTC, as frames hold it: 16:00 New York
NEXT_FRIDAY = datetime(2026, 3, 13, 20)  # daylight saving time has begun
NOT_LISTED = object()
ONE_THREAD = StorageSettings(threads=1)  # small tables are quicker so
SETTINGS = Settings(storage=ONE_THREAD)
TRUSTING = Settings(
    storage=ONE_THREAD, checks=CheckSettings(min_priced_share=0, min_side_share=0)
)  # odd chains are the point of many tests

QUOTES_SCHEMA = {name: column.dtype for name, column in ParsedQuotes.columns().items()}
REJECTED_SCHEMA = {name: column.dtype for name, column in RejectedRows.columns().items()}


def listed(
    strike: float, *, call: Any = NOT_LISTED, put: Any = NOT_LISTED, expires_at: datetime = FRIDAY, root: str = "XYZ", **columns: Any
) -> list[dict[str, Any]]:
    """The contracts of one strike; `columns` overwrites others, such as `venue_iv=None`."""
    sides = {"C": call, "P": put}
    return [
        {
            "instrument": f"{root}-{expires_at:%Y%m%dT%H%M}-{strike:g}-{kind}",
            "root": root,
            "option_type": kind,
            "strike": float(strike),
            "expires_at": expires_at,
            "oi_base": contracts,
            **columns,
        }
        for kind, contracts in sides.items()
        if contracts is not NOT_LISTED
    ]


def chain(
    rows: Sequence[Mapping[str, Any]],
    *,
    spot: float = 100.0,
    at: datetime = AT,
    underlying: str = "XYZ",
    venue: str = "cboe",
    market: str = "us",
    multiplier: float = 100.0,
    session_date: date | None = None,
    received_at: datetime | None = None,
    rejected: pl.DataFrame | None = None,
) -> ParsedChain:
    """A parsed chain of these rows; their open interest is in contracts of `multiplier`."""
    common = {
        "book": underlying, "is_adjusted": False, "exercise": "european", "multiplier": multiplier, "venue_iv": 0.3, "payload_sha256": "0" * 64,
    }  # fmt: skip
    quotes = pl.DataFrame(
        [dict.fromkeys(QUOTES_SCHEMA) | common | {"expiry": row["expires_at"].date(), "row_number": n} | dict(row) for n, row in enumerate(rows)],
        schema=QUOTES_SCHEMA,
    )  # fmt: skip
    return ParsedChain(
        underlying=underlying,
        venue=venue,
        market=market,
        venue_instant=at,
        received_at=received_at or at + timedelta(minutes=1),
        session_date=(session_date or at.date()) if market == "us" else None,
        spot=spot,
        spot_source="close" if market == "us" else "index",
        spot_current=None,
        spot_close=spot if market == "us" else None,
        prev_day_close=None,
        quotes=quotes.with_columns(pl.col("oi_base") * pl.col("multiplier")),
        rejected=pl.DataFrame(schema=REJECTED_SCHEMA) if rejected is None else rejected,
    )


def on_venue(one: ParsedChain, venue: str, *, spot: float | None = None, times: float = 1.0) -> ParsedChain:
    """The same chain as another venue might list it: open interest times a number, perhaps another spot."""
    return replace(one, venue=venue, spot=spot or one.spot, quotes=one.quotes.with_columns(pl.col("oi_base") * times))


def settled(
    underlying: str, prices: Mapping[datetime, float], *, source: str = "deribit:coin_usd", received_at: datetime = AT, sha: str = "0" * 64
) -> pl.DataFrame:
    """Settlement prices by instant (naive UTC), as a chain or a file brings them (`ParsedSettlements`)."""
    rows = [
        {
            "underlying": underlying, "expires_at": at, "source": source, "settlement_price": price,
            "received_at": received_at.replace(tzinfo=None), "payload_sha256": sha, "row_number": row_number,
        }
        for row_number, (at, price) in enumerate(prices.items())
    ]  # fmt: skip
    return ParsedSettlements.validate(pl.DataFrame(rows, schema=ParsedSettlements.create_empty().schema))


def run_rows(
    *chains: ParsedChain,
    calendar: TradingCalendar,
    run_id: str = "run-1",
    failed: Mapping[str, str] | None = None,
    settings: Settings = TRUSTING,
) -> VenueRows:
    """What a run that read these chains has to load; `failed` venues gave an error."""
    first = chains[0]
    readings = [VenueReading(one.venue, one.market, one, None, _content_hash(one)) for one in chains]
    readings += [VenueReading(venue, first.market, None, error, None) for venue, error in (failed or {}).items()]
    rows = venue_rows(first.underlying, readings, run_id=run_id, origin="live", calendar=calendar, settings=settings)
    assert rows is not None
    return rows


def snapshot(*chains: ParsedChain, calendar: TradingCalendar, settings: Settings | None = None) -> dict[str, pl.DataFrame]:
    """Every table of the snapshot that these chains make, though no check over the frame would let some of them pass."""
    rows = run_rows(*chains, calendar=calendar)
    trusted = rows.venues.with_columns(status=pl.lit(OK), error=pl.lit(None, dtype=pl.String))
    computed = compute_snapshot(trusted, rows.quotes, calendar=calendar, settings=settings or SETTINGS)
    assert computed.tables["core.snapshot_venues"]["status"].unique().to_list() == [OK], computed.check_results.rows()
    return computed.tables


def _content_hash(one: ParsedChain) -> str:
    return hashlib.sha256(f"{one.venue_instant} {one.spot} {one.quotes.write_csv()}".encode()).hexdigest()


def only(frame: pl.DataFrame, **wanted: Any) -> dict[str, Any]:
    """The one row with these values."""
    rows = frame.filter(**wanted)
    assert rows.height == 1, f"{rows.height} rows with {wanted}"
    return rows.row(0, named=True)
