"""The warehouse in Python: each table macro as a method that gives a polars frame; new generations are picked up by themselves.

from warehouse import open_warehouse

wh = open_warehouse("data")
wh.max_pain("SPX", dte_max=30)
wh.gex_levels("BTC", venues=["deribit", "okx"], as_of="2026-11-17")
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, TypeVar, Unpack

import duckdb
import polars as pl

from models.contracts.registry import PUBLISHED
from models.errors import PublicationMissing, UsageError
from warehouse.catalog.macros import MACROS, QUERIES
from warehouse.catalog.public_relations import public_relations
from warehouse.catalog.relations import SQL_FOLDER
from warehouse.home.paths import Home, home_of
from warehouse.read.query import call_macro_on, connect_published, query_on, rows_on
from warehouse.settings import load_settings

if TYPE_CHECKING:
    from warehouse.explain.explanation import Explanation
    from warehouse.explain.request import Question

Instant = datetime | date | str
Result = TypeVar("Result")


class Scope(TypedDict, total=False):
    """Which snapshot, and which of its venues."""

    as_of: Instant | None  # the newest snapshot at or before it; an aware datetime is converted, a naive one and a text are UTC
    venues: str | Sequence[str] | None  # added up again; None: all
    complete_only: bool  # only snapshots for which every venue asked was usable


class Expiries(Scope, total=False):
    """Which expiries of it: filters apply before sums, ranks and levels."""

    expiry: date | str | None  # its settlement instants are pooled before anything is computed
    expires_at: Instant | None
    dte_min: int | None
    dte_max: int | None


class Filters(Expiries, total=False):
    """Which strikes of them."""

    strike_min: float | None
    strike_max: float | None
    moneyness_min: float | None  # strike / spot
    moneyness_max: float | None
    window_pct: float | None  # within so many percent of spot, either side


def open_warehouse(home: str | Path | None = None) -> Warehouse:
    """The published warehouse of a home (default: that of the settings), read-only; usable while a job writes.

    Raises `PublicationMissing` when nothing is published yet.
    """
    warehouse = Warehouse(Home(Path(home)) if home is not None else home_of(load_settings()))
    warehouse.generation  # noqa: B018 - says at once when there is nothing to read
    return warehouse


class Warehouse:
    """A published warehouse. Methods give frames with the columns, types and order of the mart named; safe to share between threads.

    Each call reads the generation that is live when it begins. `QueryFailed` carries DuckDB's words, `PublicationUnreadable` what to do.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._con: duckdb.DuckDBPyConnection | None = None
        self._seen: tuple[int, int, int] | None = None

    @property
    def generation(self) -> int:
        """Number of the generation that calls read now."""
        number: int = self.sql("select generation from ops.publication").item()
        return number

    def max_pain(self, underlying: str, **filters: Unpack[Filters]) -> pl.DataFrame:
        """Max pain per expiry (`marts.max_pain`)."""
        return self._macro("max_pain", underlying, filters)

    def max_pain_pooled(self, underlying: str, **filters: Unpack[Filters]) -> pl.DataFrame:
        """Max pain of all live expiries together (`marts.max_pain_pooled`)."""
        return self._macro("max_pain_pooled", underlying, filters)

    def pain_curve(self, underlying: str, **filters: Unpack[Filters]) -> pl.DataFrame:
        """Pain at each listed strike, per expiry (`marts.pain_curve`)."""
        return self._macro("pain_curve", underlying, filters)

    def gex_heatmap(self, underlying: str, **filters: Unpack[Filters]) -> pl.DataFrame:
        """Open interest and exposures by expiry and strike (`marts.gex_heatmap`)."""
        return self._macro("gex_heatmap", underlying, filters)

    def gex_profile(self, underlying: str, **filters: Unpack[Filters]) -> pl.DataFrame:
        """Open interest and exposures by strike (`marts.gex_by_strike`)."""
        return self._macro("gex_profile", underlying, filters)

    def gex_by_expiry(self, underlying: str, **filters: Unpack[Filters]) -> pl.DataFrame:
        """Open interest and exposures by expiry (`marts.gex_by_expiry`)."""
        return self._macro("gex_by_expiry", underlying, filters)

    def gex_ranked(self, underlying: str, **filters: Unpack[Filters]) -> pl.DataFrame:
        """The ten strikes of largest net gamma exposure (`marts.gex_ranked`)."""
        return self._macro("gex_ranked", underlying, filters)

    def gex_levels(self, underlying: str, **filters: Unpack[Filters]) -> pl.DataFrame:
        """Key levels, flip and regime, over the expiries asked and over 0DTE (`marts.gex_levels`)."""
        return self._macro("gex_levels", underlying, filters)

    def gamma_profile(self, underlying: str, **filters: Unpack[Expiries]) -> pl.DataFrame:
        """Gamma exposure if spot stood elsewhere (`marts.gamma_profile`)."""
        return self._macro("gamma_profile", underlying, filters)

    def gamma_flip_zones(self, underlying: str, **filters: Unpack[Filters]) -> pl.DataFrame:
        """Where gamma exposure changes sign, by both methods (`marts.gamma_flip_zones`)."""
        return self._macro("gamma_flip_zones", underlying, filters)

    def opex_calendar(self, underlying: str, *, until: date | str | None = None, **filters: Unpack[Expiries]) -> pl.DataFrame:
        """Types, roll-off and own levels per expiry; with `until` also expiries that no stored chain has (`marts.opex_calendar`)."""
        return self._macro("opex_calendar", underlying, {**filters, "until": until})

    def expiry_summary(self, underlying: str, **filters: Unpack[Filters]) -> pl.DataFrame:
        """Smile, expected moves and density per expiry (`marts.expiry_summary`)."""
        return self._macro("expiry_summary", underlying, filters)

    def pin_score(self, underlying: str, **filters: Unpack[Filters]) -> pl.DataFrame:
        """Pin score with its parts, and alignment, per expiry (`marts.pin_score`)."""
        return self._macro("pin_score", underlying, filters)

    def probability_between(self, underlying: str, low: float | None, high: float | None, **filters: Unpack[Expiries]) -> pl.DataFrame:
        """Probability that an expiry settles above `low` (None: 0) and at most at `high` (None: no bound), by its implied density."""
        return self._call("probability_between", {"underlying": underlying, "low": low, "high": high, **filters}, keep=("low", "high"))

    def scan(
        self, underlyings: str | Sequence[str] | None = None, *, as_of: Instant | None = None, complete_only: bool = False
    ) -> pl.DataFrame:
        """The watchlist ranked by pin score, with alignment and regime: the newest snapshot of each underlying at or before a moment."""
        return self._call("scan", {"underlyings": underlyings, "as_of": as_of, "complete_only": complete_only})

    def explain(
        self,
        kind: str,
        underlying: str,
        *,
        expiry: date | str | None = None,
        expires_at: Instant | None = None,
        strike: float | None = None,
        level: str | None = None,
        zero_dte: bool = False,
        instrument: str | None = None,
        as_of: Instant | None = None,
        venues: str | Sequence[str] | None = None,
        definition: str | None = None,
        top: int = 5,
    ) -> Explanation:
        """Where a number comes from, down to the archived rows: `max-pain`, `gex`, `level`, `pin-score` or `iv`.

        `definition` puts another convention beside ours (`flashalpha`, `backquant`, …). Raises `UsageError` for what is not stored.
        """
        from warehouse.explain.dispatch import question

        explain_request = question(
            kind, underlying, expiry=expiry, expires_at=_sql_argument(expires_at), strike=strike, level=level, zero_dte=zero_dte,
            instrument=instrument, as_of=_sql_argument(as_of), venues=venues, definition=definition, top=top,
        )  # fmt: skip
        return self.explain_question(explain_request)

    def explain_question(self, explain_request: Question) -> Explanation:
        """The same of a question that is made already."""
        from warehouse.explain.dispatch import explain

        return self._on(lambda con: explain(con, self._home, explain_request))

    def table(self, name: str, *, underlying: str | None = None, snapshot_id: str | None = None) -> pl.DataFrame:
        """A published relation, such as `core.snapshots`, `marts.oi_change` or `latest.max_pain`; raises `UsageError` for another name.

        `snapshot_id` narrows it to one snapshot, in marts over all its venues.
        """
        if name not in public_relations():
            raise UsageError(f"No table is called {name!r}. `wh.tables` lists them.")
        columns = public_relations()[name].column_names()
        for column, value in (("underlying", underlying), ("snapshot_id", snapshot_id)):
            if value is not None and column not in columns:
                raise UsageError(f"{name} has no column {column}; leave the filter out.")
        conditions = ["underlying = upper($underlying)"] if underlying is not None else []
        if snapshot_id is not None:
            is_mart = name.startswith(("marts.", "latest.")) and "scope_venue" in columns
            conditions += ["snapshot_id = $snapshot_id", *(["scope_venue = 'all'"] if is_mart else [])]
        given = {"underlying": underlying, "snapshot_id": snapshot_id}
        where = f" where {' and '.join(conditions)}" if conditions else ""
        return self.sql(f"from {name}{where}", {key: value for key, value in given.items() if value is not None})

    @property
    def tables(self) -> list[str]:
        """Names of all public relations."""
        return list(public_relations())

    def sql(self, statement: str, parameters: dict[str, Any] | None = None) -> pl.DataFrame:
        """The result of one SQL statement on the live generation."""
        return self._ask((statement, repr(parameters)), lambda con: query_on(con, statement, parameters))

    def rows(self, statement: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The same as dictionaries, of a statement that reads a few rows."""
        return self._on(lambda con: rows_on(con, statement, parameters))

    def index(self, statement: str, parameters: dict[str, Any]) -> pl.DataFrame:
        """The result of a statement on little that nearly every question needs: a server remembers it for its generation."""
        return self.sql(statement, parameters)

    def report(self, folder: str, name: str, parameters: dict[str, Any] | None = None) -> pl.DataFrame:
        """The rows of `sql/<folder>/<name>.sql`."""
        return self.sql(statement(folder, name), parameters)

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        with self._lock:
            if self._con is not None:
                self._con.close()
            self._con = self._seen = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _macro(self, macro: str, underlying: str, filters: Any) -> pl.DataFrame:
        frame = self._call(macro, {"underlying": underlying, **filters})
        contract = PUBLISHED[MACROS[macro][0]]
        return frame.cast({name: column.dtype for name, column in contract.columns().items()})

    def _call(self, macro: str, arguments: dict[str, Any], keep: tuple[str, ...] = ()) -> pl.DataFrame:
        """`keep` names arguments that are passed on even when they are None."""
        given = {name: _sql_argument(value) for name, value in arguments.items() if value is not None or name in keep}
        return self._ask((macro, repr(given)), lambda con: call_macro_on(con, macro, given, keep=keep))

    def _ask(self, question: tuple[str, str], answer: Callable[[duckdb.DuckDBPyConnection], pl.DataFrame]) -> pl.DataFrame:
        """What `answer` finds on the live generation; `question` names it, for those who remember answers."""
        return self._on(answer)

    def _on(self, answer: Callable[[duckdb.DuckDBPyConnection], Result]) -> Result:
        """What `answer` makes of a connection to the live generation, closed afterwards."""
        con = self._live()
        try:
            return answer(con)
        finally:
            con.close()

    def _live(self) -> duckdb.DuckDBPyConnection:
        """A cursor on the live generation, which stays open for the next call until another one is published."""
        with self._lock:
            try:
                state = self._home.published_file.stat()
            except FileNotFoundError:
                state = None  # connect_published says what to do
            seen = None if state is None else (state.st_dev, state.st_ino, state.st_mtime_ns)
            if self._con is None or seen != self._seen:
                before, self._con = self._con, connect_published(self._home)
                self._seen = seen
                if before is not None:
                    before.close()  # cursors that are still reading keep theirs
            return self._con.cursor()


@cache
def statement(folder: str, name: str) -> str:
    """The SQL of a file."""
    return (SQL_FOLDER / folder / f"{name}.sql").read_text()


def _sql_argument(value: Any) -> Any:
    """An argument as SQL takes it: instants as naive UTC."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return value


METHODS = (*MACROS, *QUERIES)  # each is a method above, by a test

__all__ = ["METHODS", "Expiries", "Filters", "PublicationMissing", "Scope", "Warehouse", "open_warehouse"]
