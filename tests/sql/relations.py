"""The relations of sql/, run on tables that a test gives: real SQL on a real DuckDB, with exposures that are set instead of computed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import duckdb
import polars as pl

from models.contracts.registry import TABLES
from tests.chains import FRIDAY
from warehouse.catalog.parameters import parameters_frame
from warehouse.catalog.relations import all_relations, functions_sql
from warehouse.settings import Settings

# What a relation may read and a test need not give: empty unless given.
ANALYTICS = ("core.gamma_ladder", "core.expiry_smile", "core.calendar")
# Columns of core.scopes for other relations only.
UNPUBLISHED = {"is_only_venue": pl.Boolean(), "is_strike_filtered": pl.Boolean(), "implied_to_spot": pl.Float64()}
CAPTURED_AT = datetime(2026, 3, 2, 22)
SNAPSHOT = {"snapshot_id": "XYZ-20260302T220000Z", "underlying": "XYZ", "captured_at": CAPTURED_AT, "session_date": date(2026, 3, 2)}


def run_relation(wanted: str, given: Mapping[str, pl.DataFrame], settings: Settings | None = None) -> pl.DataFrame:
    """One relation, and all that it reads beyond what is given."""
    relations = {relation.name: relation for relation in all_relations()}
    needed: set[str] = set()
    waiting = {wanted}
    while waiting:
        name = waiting.pop()
        if name in relations and name not in given:
            needed.add(name)
            waiting |= relations[name].inputs - needed
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("create schema core; create schema marts;" + functions_sql())
        empty = {name: TABLES[name].create_empty() for name in ANALYTICS}
        for name, frame in {"core.parameters": parameters_frame(settings or Settings()), **empty, **given}.items():
            con.register("incoming", frame)
            con.execute(f"create table {name} as from incoming")
        for relation in all_relations():
            if relation.name in needed:
                con.execute(f"create table {relation.name} as {relation.sql}")
        return con.table(wanted).pl()


def cells(exposures: Mapping[float, Mapping[str, Any]], *, expires_at: datetime = FRIDAY, scope_venue: str = "cboe") -> pl.DataFrame:
    """Rows of marts.gex_heatmap: strike → call and put gamma exposure, and what else is given; a side that is left out is not listed."""
    schema = {name: column.dtype for name, column in TABLES["marts.gex_heatmap"].columns().items()} | {"is_only_venue": pl.Boolean}
    common = dict.fromkeys(schema) | SNAPSHOT | {
        "scope_venue": scope_venue, "is_only_venue": True, "expires_at": expires_at, "expiry": expires_at.date(),
        "dte": (expires_at.date() - CAPTURED_AT.date()).days, "oi_without_iv": 0.0,
    }  # fmt: skip
    rows = []
    for strike, values in exposures.items():
        named = {{"call": "call_gex_usd_1pct", "put": "put_gex_usd_1pct"}.get(name, name): value for name, value in values.items()}
        known = [value for name, value in named.items() if name.endswith("_gex_usd_1pct") and value is not None]
        net = {"net_gex_usd_1pct": sum(known), "abs_gex_usd_1pct": sum(map(abs, known))} if known else {}
        rows.append(common | {"strike": float(strike)} | named | net)
    return pl.DataFrame(rows, schema=schema)


def scope(spot: float, *, market: str = "us", scope_venue: str = "cboe") -> pl.DataFrame:
    """A row of core.scopes."""
    schema = {name: column.dtype for name, column in TABLES["core.scopes"].columns().items()} | UNPUBLISHED
    row = SNAPSHOT | {"local_date": CAPTURED_AT.date(), "scope_venue": scope_venue, "venues": scope_venue, "market": market}
    return pl.DataFrame([row | {"spot": spot, "is_only_venue": True, "is_strike_filtered": False}], schema=schema)


def levels(spot: float, exposures: Mapping[float, Mapping[str, Any]], settings: Settings | None = None) -> dict[str, Any]:
    """The levels over all expiries of a profile of one expiry."""
    given = {"core.scopes": scope(spot), "marts.gex_heatmap": cells(exposures)}
    return run_relation("marts.gex_levels", given, settings).row(by_predicate=pl.col("scope_expiry") == "all", named=True)


def net(**by_strike: float) -> dict[float, dict[str, float]]:
    """Net exposures by strike, `net(k95=1, k100=-2)`: positive ones are calls, negative ones puts."""
    return {float(name[1:]): {"call" if value >= 0 else "put": value} for name, value in by_strike.items()}
