"""The chain of an explanation: one snapshot in the requested scope, its contracts, and queries on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb
import polars as pl

from models.errors import UsageError
from warehouse.catalog.relations import SQL_FOLDER
from warehouse.explain.explanation import Row, Scope, VenueSource
from warehouse.explain.request import ExplainRequest
from warehouse.home.paths import Home
from warehouse.read.filters import ChartRequest
from warehouse.read.query import call_macro_on, query_on
from warehouse.read.snapshot_facts import Facts, read_facts


def statement(name: str) -> str:
    """Text of sql/explain/<name>.sql."""
    return (SQL_FOLDER / "explain" / f"{name}.sql").read_text()


@dataclass(frozen=True)
class Chain:
    """One snapshot of an underlying, in the requested venues."""

    con: duckdb.DuckDBPyConnection
    home: Home
    question: ExplainRequest
    facts: Facts

    @property
    def venues(self) -> list[str]:
        """Usable venues in scope."""
        return [one.venue for one in self.scope.sources if one.status == "ok"]

    def macro(self, name: str, **changed: Any) -> pl.DataFrame:
        """Rows of a table macro for exactly this snapshot, with the requested expiry by default."""
        return call_macro_on(self.con, name, self.question.filters(**changed) | {"as_of": self.facts.captured_at})

    def ask(self, name: str, **parameters: Any) -> pl.DataFrame:
        """Rows of a query of sql/explain."""
        return query_on(self.con, statement(name), parameters)

    @cached_property
    def scope(self) -> Scope:
        """The scope, with the data of each of its venues."""
        facts = self.facts
        sources = self.ask("venues", id=facts.snapshot_id, scope_venue=facts.scope_venue).rows(named=True)
        generation = query_on(self.con, "select generation from ops.publication").item()
        names = (
            "snapshot_id", "underlying", "market", "captured_at", "session_date", "oi_as_of", "spot", "venues", "venues_missing", "status",
            "scope_venue",
        )  # fmt: skip
        return Scope(
            **{name: getattr(facts, name) for name in names},
            expiries=self._expiries_in_words(), generation=generation, sources=tuple(VenueSource(**one) for one in sources),
        )  # fmt: skip

    @cached_property
    def expiries(self) -> list[Row]:
        """The live settlement instants that the request covers, nearest first; raises `UsageError` when there is none."""
        question = self.question
        covered = [
            one
            for one in self.facts.expiries
            if question.expiry in (None, one["expiry"]) and question.expires_at in (None, one["expires_at"].isoformat())
        ]
        if not covered:
            near = ", ".join(sorted({one["expires_at"].isoformat() for one in self.facts.expiries})[:6])
            raise UsageError(f"{self.facts.snapshot_id} has no expiry that settles at {question.expires_at}. Its first: {near}.")
        return covered

    @cached_property
    def contracts(self) -> pl.DataFrame:
        """Contracts of the requested expiries and strike, settled and adjusted ones too."""
        question = self.question
        return self.contracts_of(expiry=question.expiry, expires_at=question.expires_at, strike=question.strike)

    def contracts_of(self, *, expiry: Any = None, expires_at: Any = None, strike: float | None = None) -> pl.DataFrame:
        """Contracts of the scope; columns as sql/explain/contracts.sql."""
        return self.ask(
            "contracts", id=self.facts.snapshot_id, venues=self.venues, expiry=expiry, expires_at=expires_at, strike=strike
        )  # fmt: skip

    def no_strike(self, strike: float, strikes: pl.Series) -> UsageError:
        """The error for a strike that is not listed."""
        near = ", ".join(f"{one:g}" for one in sorted(strikes.unique().to_list(), key=lambda one: (abs(one - strike), one))[:4])
        where = f" in {self.scope.expiries}" if self.question.expiry or self.question.expires_at else ""
        return UsageError(f"{self.facts.snapshot_id} has no live contract with strike {strike:g}{where}. Nearest: {near or 'none'}.")

    def _expiries_in_words(self) -> str:
        if self.question.expires_at is not None:
            return f"settlement at {self.question.expires_at} UTC"
        if self.question.expiry is not None:
            return f"all settlement instants of {self.question.expiry} pooled ({len(self.expiries)})"
        return f"all {len(self.expiries)} live expiries"


def open_chain(con: duckdb.DuckDBPyConnection, home: Home, question: ExplainRequest) -> Chain:
    """The newest snapshot that the request allows; raises `UsageError` for an unknown underlying, moment, venue or expiry."""
    request = ChartRequest(**question.filters(as_of=question.as_of, expires_at=None))
    chain = Chain(con, home, question, read_facts(con, request))
    chain.expiries  # noqa: B018 - an unknown settlement instant is told at once
    return chain
