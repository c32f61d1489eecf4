"""Relations of sql/: one file, one SELECT; the order in which they run is read off their FROM clauses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import sqlglot
from sqlglot import exp

from models.errors import WarehouseError

SQL_FOLDER = Path(__file__).resolve().parent.parent / "sql"
SCHEMAS = ("core", "marts")
TRANSIENT_MARK, VIEW_MARK = "-- transient", "-- view"


@dataclass(frozen=True)
class Relation:
    """One SELECT of sql/core or sql/marts."""

    name: str  # schema.table
    sql: str
    inputs: frozenset[str]  # schema.table of everything that it reads
    is_transient: bool  # used on the way, neither stored nor published
    is_view: bool  # published as a view, not stored


def relation_from(name: str, sql: str) -> Relation:
    """Read one relation; raises `WarehouseError` when it is no single SELECT or reads anything but core and marts."""
    statements = sqlglot.parse(sql, dialect="duckdb")
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise WarehouseError(f"{name}: a relation file holds exactly one SELECT.")
    local = {cte.alias for cte in statements[0].find_all(exp.CTE)}
    inputs = set()
    for table in statements[0].find_all(exp.Table):
        if not table.db and table.name in local:
            continue
        if table.db not in SCHEMAS:
            raise WarehouseError(f"{name} reads {table.sql()}; a relation reads core and marts only.")
        inputs.add(f"{table.db}.{table.name}")
    return Relation(name, sql, frozenset(inputs), TRANSIENT_MARK in sql, VIEW_MARK in sql)


def in_run_order(relations: list[Relation]) -> tuple[Relation, ...]:
    """Sort relations so that each comes after what it reads; raises `WarehouseError` on a cycle."""
    by_name = {relation.name: relation for relation in sorted(relations, key=lambda relation: relation.name)}
    sorter = TopologicalSorter({name: sorted(relation.inputs & by_name.keys()) for name, relation in by_name.items()})
    try:
        return tuple(by_name[name] for name in sorter.static_order())
    except CycleError as error:
        raise WarehouseError(f"these relations read each other in a circle: {' → '.join(error.args[1])}.") from error


@cache
def all_relations() -> tuple[Relation, ...]:
    """Every relation of sql/core and sql/marts in run order."""
    return in_run_order(
        [
            relation_from(f"{schema}.{path.stem}", path.read_text())
            for schema in SCHEMAS
            for path in sorted((SQL_FOLDER / schema).glob("*.sql"))
        ]
    )


@cache
def all_views() -> tuple[Relation, ...]:
    """Every view over several snapshots, of sql/views/<schema>, in the order in which they can be created."""
    files = sorted((SQL_FOLDER / "views").glob("*/*.sql"))
    return in_run_order([relation_from(f"{path.parent.name}.{path.stem}", path.read_text()) for path in files])


@cache
def functions_sql() -> str:
    """The scalar functions that relations share."""
    return (SQL_FOLDER / "functions.sql").read_text()
