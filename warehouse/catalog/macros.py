"""Table macros: a mart for one underlying, filtered by moment, venues, expiries and strikes.

A macro is the SQL of its mart and of everything that the mart reads, inlined on top of `sql/macros/scope.sql`, so a definition is
written once; `sql/macros/<macro>.sql`, if it exists, is the last query. DuckDB substitutes a macro argument for every bare name that
equals it, so such column names are qualified.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache

import sqlglot
from sqlglot import exp

from models.contracts.registry import TABLES
from models.errors import WarehouseError
from warehouse.catalog import ddl
from warehouse.catalog.filters import STRIKE_FILTERS, CalendarFilters, Filters, macro_arguments
from warehouse.catalog.relations import SQL_FOLDER, all_relations

# macro → (mart, its description)
MACROS: dict[str, tuple[str, str]] = {
    "max_pain": ("marts.max_pain", "Max pain per expiry"),
    "max_pain_pooled": ("marts.max_pain_pooled", "Max pain of all live expiries together"),
    "pain_curve": ("marts.pain_curve", "Pain at each listed strike, per expiry"),
    "gex_heatmap": ("marts.gex_heatmap", "Open interest and exposures by expiry and strike"),
    "gex_profile": ("marts.gex_by_strike", "Open interest and exposures by strike"),
    "gex_by_expiry": ("marts.gex_by_expiry", "Open interest and exposures by expiry"),
    "gex_ranked": ("marts.gex_ranked", "The ten strikes of largest net gamma exposure, of the expiries asked and of 0DTE"),
    "gex_levels": ("marts.gex_levels", "Key levels, over the expiries asked and over 0DTE"),
    "expiry_summary": (
        "marts.expiry_summary",
        "Smile, expected moves and density per expiry; strikes narrow its exposure and interest only",
    ),
    "pin_score": ("marts.pin_score", "Pin score with its parts, and alignment, per expiry"),
    "opex_calendar": ("marts.opex_calendar", "Types, roll-off and own levels per expiry; with until also expiries that no chain has yet"),
    "gamma_profile": ("marts.gamma_profile", "Gamma exposure if spot stood elsewhere; empty when strikes are left out"),
    "gamma_flip_zones": ("marts.gamma_flip_zones", "Where gamma exposure changes sign, by both methods"),
}
FILTERS: dict[str, type[Filters]] = {"opex_calendar": CalendarFilters}  # of macros with further arguments
# macros of their own, each in sql/macros/<macro>.sql: arguments and descriptions
QUERIES: dict[str, tuple[tuple[str, ...], str]] = {
    "probability_between": (
        ("underlying", "low", "high", *macro_arguments(without=STRIKE_FILTERS)),
        "Probability that an expiry settles above low and at most at high, by its implied density",
    ),
    "scan": (
        ("underlyings := null", "as_of := null", "complete_only := false"),
        "The watchlist ranked by pin score, with alignment and regime: the newest snapshot of each underlying",
    ),
}
ARGUMENT_NAMES = ("underlying", *(one.name for one in fields(Filters)))
_GIVEN = frozenset({"core.scopes", "marts.gex_heatmap", "core.gamma_ladder", "core.expiry_smile"})  # provided by scope.sql
_STORED = frozenset({"core.calendar", "core.parameters", "core.sessions"})  # read unchanged


def create_macros() -> list[str]:
    """`CREATE MACRO` statements of all table macros, with their comments."""
    scope = (SQL_FOLDER / "macros" / "scope.sql").read_text().rstrip()
    statements = []
    for macro, (mart, what) in MACROS.items():
        arguments = ("underlying", *macro_arguments(FILTERS.get(macro, Filters)))
        parts = [scope, *(f"{_inner(name)} as (\n{sql}\n)" for name, sql in _inlined(mart))]
        result = _inner(mart)
        extension = SQL_FOLDER / "macros" / f"{macro}.sql"
        if extension.exists():
            parts.append(extension.read_text().rstrip())
            result = "extended"
        columns = ", ".join(
            f"result.{column}::{ddl.sql_type(definition)} as {column}" for column, definition in TABLES[mart].columns().items()
        )
        order = ", ".join(f"result.{column}" for column in TABLES[mart].primary_key())
        body = ",\n".join(parts) + f"\nselect {columns} from {result} as result order by {order}"
        statements.append(f"create or replace macro main.{macro}({', '.join(arguments)}) as table {body}")
        text = f"{what}. Arguments: {', '.join(argument.split()[0] for argument in arguments)}. Columns as {mart}."
        statements.append(f"comment on macro table main.{macro} is {ddl.literal(text)}")
    for macro, (arguments, what) in QUERIES.items():
        body = (SQL_FOLDER / "macros" / f"{macro}.sql").read_text()
        statements.append(f"create or replace macro main.{macro}({', '.join(arguments)}) as table {body}")
        text = f"{what}. Arguments: {', '.join(argument.split()[0] for argument in arguments)}."
        statements.append(f"comment on macro table main.{macro} is {ddl.literal(text)}")
    return statements


def _inlined(mart: str) -> list[tuple[str, str]]:
    """The relations that a mart needs beyond those of the scope, in run order, with local names."""
    by_name = {relation.name: relation for relation in all_relations()}
    needed: set[str] = set()
    open_names = {mart} - _GIVEN
    while open_names:
        name = open_names.pop()
        needed.add(name)
        open_names |= by_name[name].inputs - needed - _GIVEN - _STORED
    return [(relation.name, localised(relation.name, relation.sql)) for relation in all_relations() if relation.name in needed]


@cache
def localised(name: str, sql: str) -> str:
    """SQL of a relation that reads `core__pain` instead of `core.pain`: CTEs of such names replace the tables."""
    tree = sqlglot.parse_one(sql, dialect="duckdb")
    for select in tree.find_all(exp.Select):
        _qualify_arguments(name, select)
    for table in tree.find_all(exp.Table):
        if table.db and f"{table.db}.{table.name}" not in _STORED:
            renamed = exp.to_table(_inner(f"{table.db}.{table.name}"))
            table.replace(exp.alias_(renamed, table.alias_or_name, table=True))
    return tree.sql(dialect="duckdb", comments=False)


def _qualify_arguments(name: str, select: exp.Select) -> None:
    """Qualify bare columns named like a macro argument; raises `WarehouseError` when that is ambiguous."""
    source = select.args.get("from_") or select.args.get("from")
    for column in select.find_all(exp.Column):
        is_excluded = column.find_ancestor(exp.Star, exp.Select) is not select  # names after `* exclude` are not substituted
        if column.table or column.name not in ARGUMENT_NAMES or column.find_ancestor(exp.Select) is not select or is_excluded:
            continue
        if source is None or select.args.get("joins"):
            raise WarehouseError(f"{name}: qualify the column {column.name}, a macro argument has the same name.")
        column.set("table", exp.to_identifier(source.this.alias_or_name))


def _inner(name: str) -> str:
    return name.replace(".", "__")
