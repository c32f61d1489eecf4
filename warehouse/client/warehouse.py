"""The warehouse in Python: each table macro is a method that returns a polars frame; new generations are opened automatically.

from warehouse import open_warehouse

wh = open_warehouse("data")
wh.max_pain("SPX", dte_max=30)
wh.gex_levels("BTC", venues=["deribit", "okx"], as_of="2026-11-17")
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cache
from inspect import Parameter, Signature, signature
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

import duckdb
import polars as pl

from models.contracts.registry import PUBLISHED
from models.errors import PublicationMissing, UsageError
from warehouse.catalog.filters import CalendarFilters, Filters, Instant, sql_value
from warehouse.catalog.macros import MACROS, QUERIES
from warehouse.catalog.public_relations import public_relations
from warehouse.catalog.relations import SQL_FOLDER
from warehouse.explain.request import ExplainRequest
from warehouse.home.paths import Home, home_of
from warehouse.read.query import call_macro_on, connect_published, query_on, rows_on
from warehouse.settings import load_settings

if TYPE_CHECKING:
    from warehouse.explain.explanation import Explanation

Result = TypeVar("Result")
Keywords = ParamSpec("Keywords")
_SELF = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
_UNDERLYING = Parameter("underlying", Parameter.POSITIONAL_OR_KEYWORD, annotation="str")


def _of_macro(macro: str, filters: Callable[Keywords, Filters]) -> Callable[Concatenate[Warehouse, str, Keywords], pl.DataFrame]:
    """A method that calls a table macro for one underlying, with the fields of `filters` as keywords."""

    def method(self: Warehouse, underlying: str, *args: Keywords.args, **keywords: Keywords.kwargs) -> pl.DataFrame:
        frame = self._call(macro, {"underlying": underlying, **filters(*args, **keywords).arguments()})
        contract = PUBLISHED[mart]
        return frame.cast({name: column.dtype for name, column in contract.columns().items()})

    mart, gives = MACROS[macro]
    method.__name__, method.__qualname__, method.__doc__ = macro, f"Warehouse.{macro}", f"{gives} (`{mart}`)."
    method.__signature__ = Signature([_SELF, _UNDERLYING, *signature(filters).parameters.values()], return_annotation="pl.DataFrame")  # type: ignore[attr-defined]
    return method  # type: ignore[return-value]  # a type cannot say that `underlying` may be named


def _explaining(request: Callable[Keywords, ExplainRequest]) -> Callable[Concatenate[Warehouse, Keywords], Explanation]:
    """The method `explain`, with the fields of `request` as arguments."""

    def explain(self: Warehouse, *args: Keywords.args, **keywords: Keywords.kwargs) -> Explanation:
        """Where a number comes from, down to the archived rows: `max-pain`, `gex`, `level`, `pin-score` or `iv`.

        `definition` puts another convention beside ours (`flashalpha`, `backquant`, …). Raises `UsageError` for what is not stored.
        """
        return self.explain_request(request(*args, **keywords))

    explain.__qualname__ = "Warehouse.explain"
    explain.__signature__ = Signature([_SELF, *signature(request).parameters.values()], return_annotation="Explanation")  # type: ignore[attr-defined]
    return explain  # type: ignore[return-value]  # as above, of `kind` and `underlying`


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

    max_pain = _of_macro("max_pain", Filters)
    max_pain_pooled = _of_macro("max_pain_pooled", Filters)
    pain_curve = _of_macro("pain_curve", Filters)
    gex_heatmap = _of_macro("gex_heatmap", Filters)
    gex_profile = _of_macro("gex_profile", Filters)
    gex_by_expiry = _of_macro("gex_by_expiry", Filters)
    gex_ranked = _of_macro("gex_ranked", Filters)
    gex_levels = _of_macro("gex_levels", Filters)
    gamma_profile = _of_macro("gamma_profile", Filters)
    gamma_flip_zones = _of_macro("gamma_flip_zones", Filters)
    expiry_summary = _of_macro("expiry_summary", Filters)
    pin_score = _of_macro("pin_score", Filters)
    opex_calendar = _of_macro("opex_calendar", CalendarFilters)

    def probability_between(self, underlying: str, low: float | None, high: float | None, **filters: Any) -> pl.DataFrame:
        """Probability that an expiry settles above `low` (None: 0) and at most at `high` (None: no bound), by its implied density.

        `filters`: those of `Filters` but for strikes.
        """
        arguments = {"underlying": underlying, "low": low, "high": high, **Filters(**filters).arguments()}
        return self._call("probability_between", arguments, keep=("low", "high"))

    def scan(
        self, underlyings: str | Sequence[str] | None = None, *, as_of: Instant | None = None, complete_only: bool = False
    ) -> pl.DataFrame:
        """The watchlist ranked by pin score, with alignment and regime: the newest snapshot of each underlying at or before a moment."""
        return self._call("scan", {"underlyings": underlyings, **Filters(as_of=as_of, complete_only=complete_only).arguments()})

    explain = _explaining(ExplainRequest)

    def explain_request(self, request: ExplainRequest) -> Explanation:
        """The explanation of a prepared request."""
        from warehouse.explain.dispatch import explain

        return self._on(lambda con: explain(con, self._home, request))

    def table(self, name: str, *, underlying: str | None = None, snapshot_id: str | None = None) -> pl.DataFrame:
        """A published relation, such as `core.snapshots`, `marts.oi_change` or `latest.max_pain`; raises `UsageError` for an unknown name.

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
        """The same as dictionaries, for statements with few rows."""
        return self._on(lambda con: rows_on(con, statement, parameters))

    def index(self, statement: str, parameters: dict[str, Any]) -> pl.DataFrame:
        """The result of a small statement that most queries need; a server caches it per generation."""
        return self.sql(statement, parameters)

    def report(self, folder: str, name: str, parameters: dict[str, Any] | None = None) -> pl.DataFrame:
        """The rows of `sql/<folder>/<name>.sql`."""
        return self.sql(statement(folder, name), parameters)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            if self._con is not None:
                self._con.close()
            self._con = self._seen = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _call(self, macro: str, arguments: dict[str, Any], keep: tuple[str, ...] = ()) -> pl.DataFrame:
        """Call a macro; `keep` names arguments that are passed on even when they are None."""
        given = {name: sql_value(value) for name, value in arguments.items() if value is not None or name in keep}
        return self._ask((macro, repr(given)), lambda con: call_macro_on(con, macro, given, keep=keep))

    def _ask(self, question: tuple[str, str], answer: Callable[[duckdb.DuckDBPyConnection], pl.DataFrame]) -> pl.DataFrame:
        """The result of `answer` on the live generation; `question` is its cache key in subclasses."""
        return self._on(answer)

    def _on(self, answer: Callable[[duckdb.DuckDBPyConnection], Result]) -> Result:
        """The result of `answer` on a connection to the live generation, which is closed afterwards."""
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
                state = None  # the error of connect_published says what to do
            seen = None if state is None else (state.st_dev, state.st_ino, state.st_mtime_ns)
            if self._con is None or seen != self._seen:
                before, self._con = self._con, connect_published(self._home)
                self._seen = seen
                if before is not None:
                    before.close()  # cursors that are still reading keep the old file open
            return self._con.cursor()


@cache
def statement(folder: str, name: str) -> str:
    """The SQL of a file."""
    return (SQL_FOLDER / folder / f"{name}.sql").read_text()


METHODS = (*MACROS, *QUERIES)  # a test checks that each is a method above

__all__ = ["METHODS", "CalendarFilters", "Filters", "PublicationMissing", "Warehouse", "open_warehouse"]
