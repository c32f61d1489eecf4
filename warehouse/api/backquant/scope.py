"""The scope of one request: a snapshot, the requested venues, and the frames over them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import polars as pl

from warehouse.api.backquant.convert import cents
from warehouse.api.backquant.envelope import instant_text
from warehouse.api.backquant.errors import NoData
from warehouse.api.backquant.queries import ask, text_of
from warehouse.api.backquant.symbols import in_order
from warehouse.api.backquant.tokens import date_of, token_of
from warehouse.api.mart_reads import OF_AN_INSTANT, is_stored_for, stored
from warehouse.client.warehouse import Warehouse

NO_VENUE = "none"  # macro argument when a snapshot has none of the requested venues: no rows, instead of those of an older snapshot


@dataclass(frozen=True)
class VenueFilter:
    """`exchanges=`: the known names in the caller's order, and the ones that were ignored."""

    accepted: tuple[str, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class Moment:
    """`as_of=`: the original text and the instant in UTC."""

    requested: datetime

    @property
    def naive(self) -> datetime:
        """As a naive UTC datetime, the form in the tables."""
        return self.requested.replace(tzinfo=None)

    def as_meta(self, snapshot_ts: datetime) -> dict[str, Any]:
        """`meta.extra.as_of`."""
        snapshot = snapshot_ts.replace(tzinfo=UTC)
        return {
            "requested": self.requested.isoformat(),
            "snapshot_ts": snapshot.isoformat(),
            "lag_seconds": (self.requested - snapshot).total_seconds(),
            "resolution": "at_or_before",
        }


@dataclass(frozen=True)
class Scope:
    """One snapshot and the venues of it that are read. Frames are those of the macros, for exactly this snapshot."""

    wh: Warehouse
    symbol: str
    underlying: str
    market: str
    snapshot_id: str
    captured_at: datetime  # naive UTC
    venues: tuple[str, ...]  # requested venues that the snapshot has, in the order of the dialect
    all_venues: tuple[str, ...]
    spot: float | None
    exchanges: VenueFilter | None
    as_of: Moment | None

    def read(self, macro: str, *columns: str, **filters: Any) -> pl.DataFrame:
        """The frame of a macro over this scope, all columns or those named; read from the marts where they store it."""
        given = {name: value for name, value in filters.items() if value is not None}
        scope_venue, instant = self._stored_as, self._instant(given) if macro in OF_AN_INSTANT else None
        if scope_venue is not None and is_stored_for(macro, scope_venue) and (not given or instant is not None):
            return stored(self.wh, macro, self.snapshot_id, *columns, scope_venue=scope_venue, expires_at=instant)
        venues = None if self.exchanges is None else list(self.venues) or [NO_VENUE]
        frame: pl.DataFrame = getattr(self.wh, macro)(self.underlying, as_of=self.captured_at, venues=venues, **filters)
        return frame.select(columns) if columns else frame

    @property
    def _stored_as(self) -> str | None:
        """The `scope_venue` of the marts that equals this scope: all venues or one; None when the venues must be aggregated again."""
        if self.exchanges is None:
            return "all"
        return self.venues[0] if len(self.venues) == 1 else None

    def _instant(self, filters: dict[str, Any]) -> datetime | None:
        """The one settlement instant that filters choose; None where they choose several, none, or something else."""
        if filters.keys() == {"expires_at"}:
            instant: datetime = filters["expires_at"]
            return instant
        if filters.keys() != {"expiry"}:
            return None
        chosen = self.instants.filter(pl.col("expiry") == filters["expiry"])
        return chosen["expires_at"][0] if chosen.height == 1 else None

    def ask(self, name: str) -> pl.DataFrame:
        """Run a query of sql/api for this snapshot and these venues."""
        return ask(self.wh, name, snapshot_id=self.snapshot_id, venues=list(self.venues))

    @cached_property
    def instants(self) -> pl.DataFrame:
        """Settlement instants: expires_at, expiry, dte, type, is_anchor, is_zero_dte, total_oi, is_main."""
        return self.ask("expiries")

    @cached_property
    def calendar(self) -> pl.DataFrame:
        """One row per expiry (date), for its main settlement instant."""
        return self.instants.filter(pl.col("is_main")).sort("expiry")

    def by_date(self, macro: str) -> pl.DataFrame:
        """A macro's rows, one per expiry (date): instants that share a date are pooled before anything is computed."""
        counts = self.instants.group_by("expiry").len()
        shared = counts.filter(pl.col("len") > 1)["expiry"].sort().to_list()
        pooled = [self.read(macro, expiry=expiry) for expiry in shared]
        frame = self.read(macro)
        return pl.concat([frame.filter(~pl.col("expiry").is_in(shared)), *pooled]).sort("expiry")

    def main_rows(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The row of the main settlement instant of each expiry (date), by date."""
        return frame.join(self.calendar.select("expires_at"), on="expires_at", how="semi").sort("expiry")

    def expiry_of(self, text: str, name: str = "expiry") -> date:
        """The date of a token; raises `Invalid` when it is not one, `NoData` when the snapshot lists no such expiry."""
        expiry = date_of(text, name)
        if expiry not in self.calendar["expiry"].to_list():
            listed = ask(self.wh, "expiries", snapshot_id=self.snapshot_id, venues=list(self.all_venues))
            if expiry not in listed["expiry"].to_list():
                raise NoData(f"No expiry {token_of(expiry)} for {self.symbol}")
        return expiry

    def dte_of(self, expiry: date) -> int | None:
        """Whole days to settlement; null where none of the venues lists it."""
        days = self.calendar.filter(pl.col("expiry") == expiry)["dte"]
        return None if days.is_empty() else int(days[0])

    @cached_property
    def zero_dte(self) -> pl.DataFrame:
        """Its settlement instants that are 0DTE: expires_at, expiry, dte (whole days of 24 hours)."""
        if self._stored_as is None:
            return self.instants.filter(pl.col("is_zero_dte")).select("expires_at", "expiry", "dte")
        columns = ("kind", "expires_at", "expiry", "is_zero_dte")
        series = stored(self.wh, "core.series", self.snapshot_id, *columns, scope_venue=self._stored_as)
        days = (pl.col("expires_at") - self.captured_at).dt.total_days()
        return series.filter(pl.col("is_zero_dte"), kind="expiry").select("expires_at", "expiry", dte=days).sort("expires_at")

    def zero_dte_days(self) -> int | None:
        """Whole days to the settlement of 0DTE; null where several dates are."""
        if self.zero_dte.height == 1:
            return int(self.zero_dte["dte"][0])
        dates = self.zero_dte["expiry"].unique().to_list()
        return self.dte_of(dates[0]) if len(dates) == 1 else None

    def zero_dte_filter(self) -> dict[str, Any] | None:
        """The macro filter for 0DTE contracts; null without any (definitions §6)."""
        if self.zero_dte.is_empty():
            return None
        dates = self.zero_dte["expiry"].unique().to_list()
        if self.zero_dte.height == 1:
            return {"expires_at": self.zero_dte["expires_at"][0]}
        if len(dates) == 1:
            return {"expiry": dates[0]}
        return {"dte_max": self.zero_dte["dte"].max()}  # crypto without an expiry today: all within 24 hours

    def meta(self, now: datetime, **extra: Any) -> dict[str, Any]:
        """`meta` of a reply about this scope; `extra` values that are null are left out."""
        shown = {**extra}
        if self.as_of is not None:
            shown["as_of"] = self.as_of.as_meta(self.captured_at)
        if self.exchanges is not None and self.exchanges.ignored:
            shown["exchanges_ignored"] = list(self.exchanges.ignored)
        computed_at = self.captured_at.replace(tzinfo=UTC)
        return {
            "symbol": self.symbol,
            "spot_price": cents(self.spot),
            "computed_at": instant_text(computed_at),
            "freshness_seconds": (now - computed_at).total_seconds(),
            "source": list(self.venues) or None,
            "exchanges_filtered": None if self.exchanges is None else list(self.exchanges.accepted),
            "extra": {name: value for name, value in shown.items() if value is not None} or None,
        }


def open_scope(wh: Warehouse, symbol: str, underlying: str, market: str, exchanges: VenueFilter | None, as_of: Moment | None) -> Scope:
    """The newest snapshot, or the last one at or before a moment; raises `NoData` without one."""
    if exchanges is None:
        snapshots = wh.index(text_of("scopes"), {"underlying": underlying})
        snapshots = (snapshots if as_of is None else snapshots.filter(pl.col("captured_at") <= as_of.naive)).tail(1)
    else:
        moment = None if as_of is None else as_of.naive
        snapshots = ask(wh, "scope", underlying=underlying, as_of=moment, venues=list(exchanges.accepted))
    if snapshots.is_empty():
        raise NoData(f"No data for {symbol}" if as_of is None else f"No data for {symbol} at or before {as_of.requested.isoformat()}")
    row = snapshots.row(0, named=True)
    return Scope(
        wh=wh,
        symbol=symbol,
        underlying=underlying,
        market=market,
        snapshot_id=row["snapshot_id"],
        captured_at=row["captured_at"],
        venues=in_order(row["venues"], market),
        all_venues=in_order(row["all_venues"], market),
        spot=row["spot"],
        exchanges=exchanges,
        as_of=as_of,
    )
