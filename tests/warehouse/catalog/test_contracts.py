"""One table, one contract: DDL, views, comments and the rows themselves follow the dataframely classes."""

from __future__ import annotations

from typing import Any

import dataframely as dy
import duckdb
import polars as pl
import pytest

from models.contracts.marts import MaxPain
from models.contracts.registry import PUBLISHED, TABLES, VIEWS
from warehouse.catalog import ddl
from warehouse.catalog.public_relations import marts

SHOWN_BY_VIEWS = [name for name in PUBLISHED if name in VIEWS or ddl.is_scoped(PUBLISHED[name]) or ddl.is_moved(name)]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_relation_has_the_columns_of_its_contract(warehouse: duckdb.DuckDBPyConnection, name: str) -> None:
    columns = [(column, kind) for column, kind, *_ in warehouse.execute(f"describe {name}").fetchall()]
    assert columns == [(column, ddl.sql_type(definition).replace(", ", ",")) for column, definition in PUBLISHED[name].columns().items()]


@pytest.mark.parametrize("name", marts())
def test_a_latest_view_has_the_columns_of_its_mart(warehouse: duckdb.DuckDBPyConnection, name: str) -> None:
    assert warehouse.execute(f"describe latest.{name.split('.')[1]}").fetchall() == warehouse.execute(f"describe {name}").fetchall()


@pytest.mark.parametrize("name", PUBLISHED)
def test_rows_in_the_warehouse_are_valid_by_their_contract(warehouse: duckdb.DuckDBPyConnection, name: str) -> None:
    contract = PUBLISHED[name]
    frame = warehouse.execute(f"from {name}").pl()
    assert frame.schema == {column: definition.dtype for column, definition in contract.columns().items()}
    contract.validate(frame)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_relation_and_column_has_a_comment(warehouse: duckdb.DuckDBPyConnection, name: str) -> None:
    schema, table = name.split(".")
    where = "database_name = 'work' and schema_name = ? and {}_name = ?"
    kind = "view" if name in SHOWN_BY_VIEWS else "table"
    ((comment,),) = warehouse.execute(f"select comment from duckdb_{kind}s() where {where.format(kind)}", [schema, table]).fetchall()
    assert "One row" in comment, "it says its grain"
    columns = dict(
        warehouse.execute(f"select column_name, comment from duckdb_columns() where {where.format('table')}", [schema, table]).fetchall()
    )
    for column, definition in PUBLISHED[name].columns().items():
        unit = (definition.metadata or {}).get("unit")
        assert definition.description and columns[column].startswith(definition.description), column
        assert not unit or columns[column].endswith(f"[{unit}]"), column


def test_whatever_an_analyst_sees_has_a_comment(warehouse: duckdb.DuckDBPyConnection) -> None:
    where = "where database_name = 'work' and schema_name in ('core', 'marts', 'ops', 'latest') and coalesce(comment, '') = ''"
    bare = f"select 'column', table_name || '.' || column_name from duckdb_columns() {where} "
    bare += (
        f"union all select 'view', view_name from duckdb_views() {where} union all select 'table', table_name from duckdb_tables() {where}"
    )
    assert warehouse.execute(bare).fetchall() == []
    seen = warehouse.execute("select count(*) from duckdb_columns() where database_name = 'work' and schema_name = 'latest'").fetchall()
    assert seen > [(400,)]


@pytest.mark.parametrize("name", PUBLISHED)
def test_money_in_a_contract_says_its_unit(name: str) -> None:
    for column, definition in PUBLISHED[name].columns().items():
        if column.endswith(("_usd", "_usd_1pct", "_usd_1vol", "_usd_day", "_strike")) or column in ("spot", "strike", "forward"):
            assert (definition.metadata or {}).get("unit") == "USD", column
        if column.endswith("_pct") and definition.dtype != pl.Boolean:
            assert (definition.metadata or {}).get("unit") == "percent", column


def test_one_name_has_one_type_in_every_table() -> None:
    types: dict[str, set[Any]] = {}
    for contract in PUBLISHED.values():
        for column, definition in contract.columns().items():
            types.setdefault(column, set()).add(ddl.sql_type(definition))
    allowed = {"status": {"VARCHAR", "INTEGER"}}  # of a snapshot in words, of a reply in HTTP's numbers
    assert {column: kinds for column, kinds in types.items() if len(kinds) > 1} == allowed


def test_keys_are_not_null_in_the_database(warehouse: duckdb.DuckDBPyConnection) -> None:
    for name, contract in TABLES.items():
        schema, table = ddl.stored_name(name).split(".")
        query = "select column_name, is_nullable from duckdb_columns() where database_name = 'work' and schema_name = ? and table_name = ?"
        nullable = dict(warehouse.execute(query, [schema, table]).fetchall())
        for column, definition in contract.columns().items():
            assert nullable[column] == definition.nullable, f"{name}.{column}"
            assert not (column in contract.primary_key() and nullable[column]), f"{name}.{column} is part of the key"


class Everything(dy.Schema):
    """A table with it's own quirks.

    Two paragraphs. One row per thing.
    """

    text = dy.String(primary_key=True, description="words, it's said")
    number = dy.Float64(nullable=True, description="a number", metadata={"unit": "USD"})
    large = dy.Int64()
    middle = dy.Int32()
    small = dy.Int8()
    flag = dy.Bool()
    day = dy.Date()
    instant = dy.Datetime()
    money = dy.Decimal(18, 2, nullable=True)


def test_types_of_contracts_are_types_of_duckdb(monkeypatch: pytest.MonkeyPatch) -> None:
    for tables in (TABLES, PUBLISHED):
        monkeypatch.setitem(tables, "core.everything", Everything)
    with duckdb.connect() as con:
        con.execute("create schema core")
        con.execute(ddl.create_table("core.everything"))
        con.execute(ddl.create_table("core.everything"))
        described = {name: (kind, null) for name, kind, null, *_ in con.execute("describe core.everything").fetchall()}
        assert described == {
            "text": ("VARCHAR", "NO"), "number": ("DOUBLE", "YES"), "large": ("BIGINT", "NO"), "middle": ("INTEGER", "NO"), "small": ("TINYINT", "NO"),
            "flag": ("BOOLEAN", "NO"), "day": ("DATE", "NO"), "instant": ("TIMESTAMP", "NO"), "money": ("DECIMAL(18,2)", "YES"),
        }  # fmt: skip
        for statement in ddl.comments("core.everything"):
            con.execute(statement)
        assert con.execute("select comment from duckdb_tables()").fetchall() == [
            ("A table with it's own quirks. Two paragraphs. One row per thing.",)
        ]
        comments = dict(con.execute("select column_name, comment from duckdb_columns() where table_name = 'everything'").fetchall())
        assert (comments["text"], comments["number"]) == ("words, it's said", "a number [USD]")


def test_only_relations_with_a_scope_or_with_rows_that_move_are_stored_elsewhere_and_shown_by_a_view() -> None:
    assert ddl.stored_name("marts.max_pain") == ddl.union_view_name("marts.max_pain") == "store.max_pain"
    assert (ddl.stored_name("core.option_quotes"), ddl.union_view_name("core.option_quotes")) == (
        "store.option_quotes",
        "store.option_quotes_kept",
    )
    assert ddl.stored_name("core.snapshots") == "core.snapshots"
    assert ddl.create_view("core.snapshots") is None
    assert ddl.create_view("marts.opex_calendar") is None, "its scope is not part of its key"
    over_snapshots = {"core.settlement_prices", "core.pin_fits", "marts.settlement_outcomes", "marts.pin_calibration"}
    assert set(SHOWN_BY_VIEWS) == {"core.scopes", "core.series", "core.pin_bands", *ddl.MOVED, *marts(), *over_snapshots} - {
        "marts.opex_calendar"
    }


def test_a_max_pain_outside_its_interval_breaks_the_contract(warehouse: duckdb.DuckDBPyConnection) -> None:
    frame = warehouse.execute("from marts.max_pain where max_pain_strike is not null").pl()
    MaxPain.validate(frame)
    with pytest.raises(dy.exc.ValidationError, match="strike_lies_in_its_interval"):
        MaxPain.validate(frame.with_columns(max_pain_strike=pl.col("max_pain_high") + 1))
