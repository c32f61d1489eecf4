"""Relations of sql/: one file, one SELECT; their FROM clauses determine the run order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb
import orjson

from models.errors import WarehouseError

SQL_FOLDER = Path(__file__).resolve().parents[2] / "sql"
SCHEMAS = ("core", "marts")
TRANSIENT_MARK, VIEW_MARK = "-- transient", "-- view"


@dataclass(frozen=True)
class Relation:
    """One SELECT of sql/core or sql/marts."""

    name: str  # schema.table
    sql: str
    inputs: frozenset[str]  # schema.table of each relation that it reads
    is_transient: bool  # intermediate: neither stored nor published
    is_view: bool  # published as a view, not stored


def relation_from(name: str, sql: str) -> Relation:
    """Read one relation; raises `WarehouseError` when it is not a single SELECT or reads schemas other than core and marts."""
    ((text,),) = _parser().cursor().execute("select json_serialize_sql($sql)", {"sql": sql}).fetchall()
    parsed = orjson.loads(text)
    if parsed["error"] or len(parsed["statements"]) != 1:
        raise WarehouseError(f"{name}: a relation file holds exactly one SELECT.")
    nodes = list(_nodes(parsed["statements"][0]))
    local = {cte["key"] for node in nodes if "cte_map" in node for cte in node["cte_map"]["map"]}
    inputs = set()
    for node in nodes:
        if node.get("type") == "TABLE_FUNCTION":
            raise WarehouseError(f"{name} reads {node['function']['function_name']}(); a relation reads core and marts only.")
        if node.get("type") != "BASE_TABLE" or (not node["schema_name"] and node["table_name"] in local):
            continue
        table = ".".join(part for part in (node["catalog_name"], node["schema_name"], node["table_name"]) if part)
        if node["catalog_name"] or node["schema_name"] not in SCHEMAS:
            raise WarehouseError(f"{name} reads {table}; a relation reads core and marts only.")
        inputs.add(table)
    return Relation(name, sql, frozenset(inputs), TRANSIENT_MARK in sql, VIEW_MARK in sql)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in a tree of JSON."""
    if isinstance(tree, dict):
        yield tree
    for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _nodes(child)


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    """DuckDB reads its own SQL; a parser in Python takes ten times as long, and every process starts with this."""
    return duckdb.connect(config={"threads": 1})


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
