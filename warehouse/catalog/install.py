"""Schema objects installed in every database: schemas, tables, views, macros and comments, derived from contracts and sql/."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import duckdb

from models.contracts.registry import PUBLISHED, TABLES
from warehouse.catalog import ddl
from warehouse.catalog.public_relations import latest_name, marts
from warehouse.catalog.relations import SQL_FOLDER, all_relations, all_views, functions_sql

_CHECKOUT = Path(__file__).resolve().parents[2]
_SAME_COLUMNS = ("core.option_quotes", "core.option_greeks", "core.snapshots")  # whose columns views without a contract show
_OWN_COLUMNS = {
    "oi_contracts": "Open interest [contracts]",
    "compared_with": "What the model's gamma is compared with: gamma, the venue's own; mark_iv, Black-76 on its own mark IV and forward",
    "theirs": "Gamma by the venue [1/USD]",
    "difference": "|gamma - theirs| as a share of theirs [fraction]",
}
_SOURCES = tuple(f"warehouse/catalog/{name}.py" for name in ("ddl", "filters", "macros", "install", "public_relations"))


@cache
def fingerprint(checkout: Path = _CHECKOUT) -> str:
    """Hash of all installed objects: a file with another hash gets all of them again."""
    contracts = sorted((checkout / "models" / "contracts").glob("*.py"))
    files = [*sorted((checkout / SQL_FOLDER.name).rglob("*.sql")), *(checkout / name for name in _SOURCES), *contracts]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def install_tables(con: duckdb.DuckDBPyConnection, cold_files: Mapping[str, Mapping[str, list[str]]]) -> None:
    """Create the tables that a load writes, and the views with their published names.

    `cold_files`: published name → path of each Parquet file with its older rows → the columns in that file.
    """
    con.execute(functions_sql())
    for name, contract in TABLES.items():
        con.execute(ddl.create_table(name))
        present = {row[0] for row in con.execute(f"describe {ddl.stored_name(name)}").fetchall()}
        for column, definition in contract.columns().items():
            if column not in present:
                con.execute(f"alter table {ddl.stored_name(name)} add column {column} {ddl.sql_type(definition)}")
        if ddl.is_moved(name):
            _migrate_table(con, name)
            con.execute(ddl.create_union_view(name, cold_files[name]))
        view = ddl.create_view(name)
        if view:
            con.execute(view)


def install_for_readers(con: duckdb.DuckDBPyConnection) -> None:
    """Install views over several tables, macros and comments; takes half a second in a new file."""
    from warehouse.catalog.macros import create_macros  # reads all SQL: only after a change

    for relation in [one for one in all_relations() if one.is_view]:
        con.execute(f"create or replace view {relation.name} as {relation.sql}")
    for relation in all_views():
        con.execute(ddl.create_history_view(relation.name, relation.sql))
    for name in marts():
        con.execute(f"create or replace view {latest_name(name)} as {_latest(name)}")
    comments = [comment for name in PUBLISHED for comment in ddl.comments(name)]
    con.execute(";\n".join([*create_macros(), *comments, *_comments_of_views(con)]))


def _comments_of_views(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Comments of views without a contract: column descriptions of the same name in other contracts."""
    for name in marts():
        view = latest_name(name)
        yield f"comment on view {view} is 'Rows of {name} of the newest snapshot of each underlying.'"
        yield from ddl.column_comments(view, PUBLISHED[name].columns())
    for relation in (*all_relations(), *all_views()):
        if relation.name in PUBLISHED or not (relation.is_view or relation.name.startswith("latest.")):
            continue
        yield f"comment on view {relation.name} is {ddl.literal(ddl.headline(relation.sql))}"
        columns = [row[0] for row in con.execute(f"describe {relation.name}").fetchall()]
        contracts = [PUBLISHED[name].columns() for name in _SAME_COLUMNS]
        known = {column: next(one[column] for one in contracts if column in one) for column in columns if column not in _OWN_COLUMNS}
        yield from ddl.column_comments(relation.name, known)
        for column in set(columns) & set(_OWN_COLUMNS):
            yield f"comment on column {relation.name}.{column} is {ddl.literal(_OWN_COLUMNS[column])}"


def _migrate_table(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Migrate the rows of an earlier version, whose file has a table where a view is now."""
    schema, table = name.split(".")
    here = "database_name = current_database() and schema_name = $schema and table_name = $table"
    if con.execute(f"select 1 from duckdb_tables() where {here}", {"schema": schema, "table": table}).fetchall():
        con.execute(f"insert into {ddl.stored_name(name)} by name from {name}")
        con.execute(f"drop table {name}")


def _latest(name: str) -> str:
    return f"select newest.* from {name} as newest where newest.snapshot_id in (select one.snapshot_id from latest.snapshots as one)"
