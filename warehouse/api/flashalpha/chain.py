"""The chain that a request is about: one snapshot of one symbol, and the questions put to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Annotated, Any

import polars as pl
from fastapi import Depends, Request

from models.roots import exercise_of
from warehouse.api import access
from warehouse.api.flashalpha.contracts import folded
from warehouse.api.flashalpha.convert import instant, number
from warehouse.api.flashalpha.envelope import DataAsOf
from warehouse.api.flashalpha.errors import no_data, symbol_not_found
from warehouse.api.flashalpha.parameters import At, Symbol, normalised, read_at
from warehouse.frames import Warehouse
from warehouse.macros import MACROS
from warehouse.settings import Settings


@dataclass(frozen=True)
class Moment:
    """What a request reads, and at which moment."""

    warehouse: Warehouse
    settings: Settings
    at: datetime | None  # naive UTC; None: the newest
    now: datetime  # naive UTC

    def report(self, name: str, **parameters: Any) -> pl.DataFrame:
        """The rows of `sql/api/flashalpha_<name>.sql`."""
        return self.warehouse.report("api", f"flashalpha_{name}", parameters)


def moment(request: Request, at: At = None) -> Moment:
    """The moment of a request; its answer may be kept as long as the generation lives."""
    now = access.now_of(request)
    request.state.endpoint = getattr(request.scope.get("route"), "path", "unmatched")
    request.state.may_keep = True
    return Moment(access.warehouse(request), access.settings(request), read_at(at, now), now.replace(tzinfo=None))


# columns of `sql/api/flashalpha_settlements.sql` by the macro that pools them
POOLED = {
    "max_pain": ("expiry", "dte", "max_pain_strike", "distance_abs", "distance_pct", "direction", "signal", "pcr", "spot"),
    "pin_score": ("pin_score", "alignment", "description", "gamma_flip", "gamma_flip_status", "call_wall", "put_wall"),
    "expiry_summary": ("forward", "straddle", "atm_iv"),
    "gex_by_expiry": ("call_dex_usd", "put_dex_usd", "net_gex_usd_1pct", "net_vex_usd_1vol", "net_chex_usd_day"),
}
AtMoment = Annotated[Moment, Depends(moment)]


@dataclass(frozen=True)
class Chain:
    """One snapshot, over all its venues."""

    when: Moment
    snapshot: dict[str, Any]  # a row of sql/api/flashalpha_snapshot.sql
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
        found: datetime = self.snapshot["captured_at"]
        return found

    def mart(self, macro: str, expiry: date | None = None) -> pl.DataFrame:
        """Rows of a mart over all venues: as stored, or for one expiration date computed by its macro."""
        if expiry is None:
            return self.when.warehouse.table(MACROS[macro][0], snapshot_id=self.snapshot["snapshot_id"])
        frame: pl.DataFrame = getattr(self.when.warehouse, macro)(self.symbol, as_of=self.captured_at, expiry=expiry)
        return frame

    def row(self, macro: str, expiry: date | None = None) -> dict[str, Any]:
        """The first of these rows; raises `no_data` when there is none."""
        return self._first(self.mart(macro, expiry), expiry)

    def levels(self, expiry: date | None = None) -> dict[str, Any]:
        """The row of `gex_levels` over the expirations asked, as in `sql/api/flashalpha_levels.sql`; raises `no_data`.

        Of the only settlement of 0DTE it is the row of 0DTE that the mart has; of another date the macro pools what settles on it.
        """
        if expiry is None or self.instants.filter(pl.col("is_zero_dte"))["expiry"].to_list() == [expiry]:
            scope = "all" if expiry is None else "0dte"
            return self._first(self.report("levels").filter(pl.col("scope_expiry") == scope), expiry)
        return self._first(self.mart("gex_levels", expiry).filter(pl.col("scope_expiry") == "all"), expiry)

    @property
    def instants(self) -> pl.DataFrame:
        """The live settlement instants: expires_at, expiry, dte, is_zero_dte."""
        return self.report("expiries")

    def settlement(self, expiry: date) -> dict[str, Any]:
        """Max pain, pin score, smile, regime and exposures of an expiration date, as in `sql/api/flashalpha_settlements.sql`.

        As stored where one instant (`settles_once`) has that date, else pooled by the macros; raises `no_data`.
        """
        stored = self.report("settlements", expiry=expiry)
        if stored.height <= 1:
            found = self._first(stored, expiry)
            return found | {"settles_once": found["expires_at"]}
        pooled = {name: row[name] for macro, names in POOLED.items() for row in [self.row(macro, expiry)] for name in names}
        return pooled | {"regime": self.levels(expiry)["regime"], "settles_once": None}

    def settles_once(self, expiry: date) -> datetime | None:
        """The only settlement instant of a date; None where there are several, or none."""
        found = self.instants.filter(pl.col("expiry") == expiry)["expires_at"].to_list()
        return found[0] if len(found) == 1 else None

    @property
    def zero_dte_dates(self) -> list[date]:
        """Dates of the expiries that count as 0DTE."""
        dates: list[date] = self.instants.filter(pl.col("is_zero_dte"))["expiry"].unique().sort().to_list()
        return dates

    def contracts(self, expiry: date | None = None) -> pl.DataFrame:
        """Quotes and greeks of the live contracts of an expiration date, or of all, over all venues; see `contracts.folded`."""
        if expiry not in self._contracts:
            self._contracts[expiry] = folded(self.report("contracts", expiry=expiry))
        return self._contracts[expiry]

    def profile(self, expiry: date | None = None) -> pl.DataFrame:
        """`gex_profile` of the expirations asked, by strike; of one settlement with the columns that are needed."""
        once = None if expiry is None else self.settles_once(expiry)
        return self.mart("gex_profile", expiry) if once is None else self.report("profile_of_settlement", expires_at=once)

    def _first(self, frame: pl.DataFrame, expiry: date | None) -> dict[str, Any]:
        if frame.is_empty():
            raise self.nothing(expiry)
        return frame.row(0, named=True)

    def report(self, name: str, **parameters: Any) -> pl.DataFrame:
        """The rows of `sql/api/flashalpha_<name>.sql` for this snapshot."""
        return self.when.report(name, snapshot_id=self.snapshot["snapshot_id"], **parameters)

    def expires_at(self, expiry: date) -> datetime:
        """The last settlement instant of an expiration date; raises `no_data` when no live contract has that date."""
        found = self.instants.filter(pl.col("expiry") == expiry)
        if found.is_empty():
            raise self.nothing(expiry)
        latest: datetime = found["expires_at"].to_list()[-1]
        return latest

    def nothing(self, expiry: date | None) -> Exception:
        """`no_data` about an expiration, or about all."""
        what = "no live options" if expiry is None else f"no live options that expire on {expiry}"
        return no_data(f"{self.symbol} has {what} at {instant(self.captured_at)}.")

    def head(self) -> dict[str, Any]:
        """Fields that every answer about a symbol has."""
        as_of = instant(self.captured_at)
        return {"symbol": self.symbol, "underlying_price": self.spot, "as_of": as_of, "data_as_of": self.feeds()}

    def feeds(self) -> DataAsOf:
        """When its feeds were received; crypto stands under equity (our choice)."""
        at, oi_at = instant(self.captured_at), instant(self.snapshot["oi_at"])
        kind = "index" if self.market == "us" and exercise_of(self.symbol) == "european" else "equity"
        return DataAsOf.model_validate(
            {"node": self.when.settings.api.host_label, f"{kind}_feed": at, f"{kind}_options_feed": at, "oi_feed": oi_at}
        )


def find_chain(when: Moment, symbol: str) -> Chain:
    """The newest snapshot of a symbol at the moment asked; raises `symbol_not_found`, or `no_data` when it is too old for that moment."""
    found = when.report("snapshot", underlying=symbol, at=when.at)
    if found.is_empty():
        raise symbol_not_found(symbol)
    chain = Chain(when, found.row(0, named=True))
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
