"""The chain of a request: one snapshot of one symbol, and the queries on it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from operator import itemgetter
from typing import Annotated, Any

import polars as pl
from fastapi import Depends, Request

from models.market.roots import exercise_of
from warehouse.api import dependencies
from warehouse.api.flashalpha.contracts import folded
from warehouse.api.flashalpha.convert import instant, number
from warehouse.api.flashalpha.envelope import DataAsOf
from warehouse.api.flashalpha.errors import no_data, unknown_symbol
from warehouse.api.flashalpha.parameters import At, Symbol, normalised, read_at
from warehouse.api.mart_reads import stored, stored_rows
from warehouse.catalog.macros import MACROS
from warehouse.client.warehouse import Warehouse, statement
from warehouse.settings import Settings


@dataclass(frozen=True)
class Moment:
    """The warehouse and the instant of a request."""

    warehouse: Warehouse
    settings: Settings
    at: datetime | None  # naive UTC; None: the newest
    now: datetime  # naive UTC

    def report(self, name: str, **parameters: Any) -> pl.DataFrame:
        """The rows of `sql/api/flashalpha_<name>.sql`."""
        return self.warehouse.report("api", f"flashalpha_{name}", parameters)

    def rows(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        """The same as dictionaries, which is faster for few rows."""
        return self.warehouse.rows(statement("api", f"flashalpha_{name}"), parameters)

    def snapshot(self, underlying: str, at: datetime | None) -> dict[str, Any] | None:
        """The newest snapshot at or before a moment (naive UTC), or the newest of all; columns as `sql/api/flashalpha_snapshots.sql`."""
        snapshots = self.warehouse.index(statement("api", "flashalpha_snapshots"), {"underlying": underlying})
        last = snapshots.tail(1) if at is None else snapshots.filter(pl.col("captured_at") <= at).tail(1)
        return last.row(0, named=True) if last.height else None


def moment(request: Request, at: At = None) -> Moment:
    """The moment of a request; its response can be cached for the life of the generation."""
    now = dependencies.now_of(request)
    request.state.endpoint = getattr(request.scope.get("route"), "path", "unmatched")
    request.state.may_keep = True
    return Moment(dependencies.warehouse(request), dependencies.settings(request), read_at(at, now), now.replace(tzinfo=None))


# columns read of a settlement, by the macro that pools dates with several settlements
OF_A_SETTLEMENT = {
    "max_pain": (
        "expires_at", "expiry", "dte", "max_pain_strike", "distance_abs", "distance_pct", "direction", "signal", "pcr", "spot",
    ),
    "pin_score": ("expires_at", "pin_score", "alignment", "description", "gamma_flip", "gamma_flip_status", "call_wall", "put_wall"),
    "expiry_summary": ("expires_at", "forward", "straddle", "atm_iv"),
    "gex_by_expiry": (
        "expires_at", "expiry", "dte", "call_dex_usd", "put_dex_usd", "net_gex_usd_1pct", "net_vex_usd_1vol", "net_chex_usd_day",
    ),
}  # fmt: skip
LEVELS = (
    "scope_expiry", "spot", "net_gex_usd_1pct", "gamma_flip", "gamma_flip_status", "regime", "call_wall", "put_wall",
    "max_positive_gamma", "max_negative_gamma", "highest_oi_strike", "zero_dte_magnet",
)  # fmt: skip
PROFILE = (
    "strike", "call_oi", "put_oi", "call_oi_contracts", "put_oi_contracts", "call_gex_usd_1pct", "put_gex_usd_1pct", "net_gex_usd_1pct",
    "abs_gex_usd_1pct", "call_dex_usd", "put_dex_usd", "net_vex_usd_1vol", "net_chex_usd_day",
)  # fmt: skip
AtMoment = Annotated[Moment, Depends(moment)]


@dataclass(frozen=True)
class Chain:
    """One snapshot, over all its venues."""

    when: Moment
    snapshot: dict[str, Any]  # a row of sql/api/flashalpha_snapshots.sql
    _contracts: dict[date | None, pl.DataFrame] = field(default_factory=dict)

    @property
    def symbol(self) -> str:
        """Of the underlying, upper case."""
        return str(self.snapshot["underlying"])

    @property
    def market(self) -> str:
        """`us` or `crypto`."""
        return str(self.snapshot["market"])

    @property
    def spot(self) -> float | None:
        """USD."""
        return number(self.snapshot["spot"])

    @property
    def captured_at(self) -> datetime:
        """Naive UTC."""
        instant: datetime = self.snapshot["captured_at"]
        return instant

    def mart(self, macro: str, expiry: date | None = None) -> pl.DataFrame:
        """Rows of a mart over all venues: as stored, or for one expiration date computed by its macro."""
        if expiry is None:
            return self.when.warehouse.table(MACROS[macro][0], snapshot_id=self.snapshot["snapshot_id"])
        frame: pl.DataFrame = getattr(self.when.warehouse, macro)(self.symbol, as_of=self.captured_at, expiry=expiry)
        return frame

    def row(self, macro: str, expiry: date | None = None) -> dict[str, Any]:
        """The first of these rows; raises `no_data` when there is none."""
        return self._first(self.mart(macro, expiry).head(1).to_dicts(), expiry)

    def stored(self, macro: str, columns: Sequence[str], **one: Any) -> list[dict[str, Any]]:
        """Rows of a mart over all venues as they are stored, by key; `expires_at` or `expiry` chooses among them."""
        return stored_rows(self.when.warehouse, macro, self.snapshot["snapshot_id"], columns, **one)

    def levels(self, expiry: date | None = None) -> dict[str, Any]:
        """The levels of the requested expirations; raises `no_data`.

        A single 0DTE settlement is read from the mart; for any other date the macro pools its settlements.
        """
        if expiry is not None and [row["expiry"] for row in self.instants if row["is_zero_dte"]] != [expiry]:
            rows = self.mart("gex_levels", expiry).filter(pl.col("scope_expiry") == "all").select(LEVELS).to_dicts()
        else:
            scope = "all" if expiry is None else "0dte"
            rows = [row for row in self.stored("gex_levels", LEVELS) if row["scope_expiry"] == scope]
        return self._first(rows, expiry)

    @property
    def instants(self) -> list[dict[str, Any]]:
        """The live settlement instants in order: expires_at, expiry, dte, is_zero_dte (definitions §1, §6)."""
        rows = self.stored("core.series", ("expires_at", "expiry", "dte", "is_zero_dte"))
        return sorted((row for row in rows if row["expires_at"] is not None), key=itemgetter("expires_at"))

    def settlement(self, expiry: date, *macros: str) -> dict[str, Any]:
        """An expiration date in the marts: the columns of `OF_A_SETTLEMENT`, for all or some of its macros; raises `no_data`.

        Read as stored when the date has one instant (`settles_once`), else pooled by the macros.
        """
        chosen = macros or tuple(OF_A_SETTLEMENT)
        stored = {macro: self.stored(macro, OF_A_SETTLEMENT[macro], expiry=expiry) for macro in chosen}
        if len(stored[chosen[0]]) > 1:
            stored = {macro: self.mart(macro, expiry).select(OF_A_SETTLEMENT[macro]).to_dicts() for macro in chosen}
            columns: dict[str, Any] = {"settles_once": None}
        else:
            columns = {"settles_once": self._first(stored[chosen[0]], expiry)["expires_at"]}
        for macro in chosen:
            columns |= self._first(stored[macro], expiry)
        return columns

    def settles_once(self, expiry: date) -> datetime | None:
        """The only settlement instant of a date; None when there are several, or none."""
        instants: list[datetime] = [row["expires_at"] for row in self.instants if row["expiry"] == expiry]
        return instants[0] if len(instants) == 1 else None

    @property
    def zero_dte_dates(self) -> list[date]:
        """Dates of the expiries that count as 0DTE."""
        return sorted({row["expiry"] for row in self.instants if row["is_zero_dte"]})

    def contracts(self, expiry: date | None = None) -> pl.DataFrame:
        """Quotes and greeks of the live contracts of an expiration date, or of all, over all venues; see `contracts.folded`."""
        if expiry not in self._contracts:
            self._contracts[expiry] = folded(self.report("contracts", expiry=expiry))
        return self._contracts[expiry]

    def profile(self, expiry: date | None = None) -> pl.DataFrame:
        """`PROFILE` of the requested expirations, by strike."""
        wh, snapshot_id = self.when.warehouse, self.snapshot["snapshot_id"]
        if expiry is None:
            return stored(wh, "gex_profile", snapshot_id, *PROFILE)
        once = self.settles_once(expiry)
        if once is None:
            return self.mart("gex_profile", expiry).select(PROFILE)
        return stored(wh, "gex_heatmap", snapshot_id, *PROFILE, expires_at=once)

    def volumes(self, expiry: date | None = None) -> dict[tuple[float, str], float]:
        """Volume by strike and option type of the requested expirations, contracts or coins; no entry when no venue reports it."""
        parts: defaultdict[tuple[float, str], list[float]] = defaultdict(list)
        usable = self.snapshot["venues"].split(",")
        for row in self.when.rows("volumes", snapshot_id=self.snapshot["snapshot_id"], expiry=expiry):
            if row["volume_base"] is not None and row["venue"] in usable:
                parts[row["strike"], row["option_type"]].append(row["volume_base"] / (row["multiplier"] if self.market == "us" else 1))
        return {line: math.fsum(volumes) for line, volumes in parts.items()}

    def _first(self, rows: Sequence[dict[str, Any]], expiry: date | None) -> dict[str, Any]:
        if not rows:
            raise self.nothing(expiry)
        return rows[0]

    def report(self, name: str, **parameters: Any) -> pl.DataFrame:
        """The rows of `sql/api/flashalpha_<name>.sql` for this snapshot."""
        return self.when.report(name, snapshot_id=self.snapshot["snapshot_id"], **parameters)

    def expires_at(self, expiry: date) -> datetime:
        """The last settlement instant of an expiration date; raises `no_data` when no live contract has that date."""
        instants: list[datetime] = [row["expires_at"] for row in self.instants if row["expiry"] == expiry]
        if not instants:
            raise self.nothing(expiry)
        return instants[-1]

    def nothing(self, expiry: date | None) -> Exception:
        """`no_data` about an expiration, or about all."""
        what = "no live options" if expiry is None else f"no live options that expire on {expiry}"
        return no_data(f"{self.symbol} has {what} at {instant(self.captured_at)}.")

    def head(self) -> dict[str, Any]:
        """Fields of every response about a symbol."""
        as_of = instant(self.captured_at)
        return {"symbol": self.symbol, "underlying_price": self.spot, "as_of": as_of, "data_as_of": self.feeds()}

    def feeds(self) -> DataAsOf:
        """When its feeds were received; crypto is reported as equity (our choice)."""
        at, oi_at = instant(self.captured_at), instant(self.snapshot["oi_at"])
        kind = "index" if self.market == "us" and exercise_of(self.symbol) == "european" else "equity"
        return DataAsOf.model_validate(
            {"node": self.when.settings.api.host_label, f"{kind}_feed": at, f"{kind}_options_feed": at, "oi_feed": oi_at}
        )


def find_chain(when: Moment, symbol: str) -> Chain:
    """The newest snapshot of a symbol at that moment; raises `symbol_not_found`, or `no_data` when it is too old for that moment."""
    snapshot = when.snapshot(symbol, when.at)
    if snapshot is None:
        raise unknown_symbol(symbol)
    chain = Chain(when, snapshot)
    limits = when.settings.api
    days = limits.max_snapshot_age_days_us if chain.market == "us" else limits.max_snapshot_age_days_crypto
    if when.at is not None and when.at - chain.captured_at > timedelta(days=days):
        raise no_data(
            f"Nothing is stored of {symbol} in the {days:g} days before {instant(when.at)}; the last is of {instant(chain.captured_at)}."
        )
    return chain


def chain(symbol: Symbol, when: AtMoment) -> Chain:
    """The chain of the symbol in the path."""
    return find_chain(when, normalised(symbol))


OfChain = Annotated[Chain, Depends(chain)]
