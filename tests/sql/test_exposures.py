"""Open interest and exposures by call, put, net and gross: one definition for the heatmap, the profiles and the table macros."""

from __future__ import annotations

import re

import duckdb
import pytest

from models.contracts.registry import TABLES
from warehouse.catalog.relations import SQL_FOLDER, functions_sql

SIDES = ("call_oi", "put_oi", "oi_without_iv", *(f"{side}_{greek}" for greek in ("gex", "dex", "vex", "chex") for side in ("call", "put")))
USERS = ("marts/gex_heatmap.sql", "core/gex_profile.sql", "macros/scope.sql")


def exposures(**sides: float | None) -> dict[str, float | None]:
    """What `exposures_of` makes of these sums; others are null."""
    values = [sides.get(name) for name in SIDES]
    with duckdb.connect() as con:
        con.execute(functions_sql())
        call = ", ".join(f"?::{'double' if 'oi' in name else 'decimal(18, 2)'}" for name in SIDES)
        frame = con.execute(f"select exposures.* from (select exposures_of({call}) as exposures)", values).pl()
    return frame.row(0, named=True)


def test_the_columns_are_those_of_the_contract_in_its_order() -> None:
    columns = TABLES["marts.gex_heatmap"].column_names()
    assert list(exposures()) == [name for name in columns if name.startswith(("net_", "abs_")) or name.endswith(("_to_gross", "_iv_pct"))]


def test_net_and_gross_of_both_sides() -> None:
    columns = exposures(call_gex=30.0, put_gex=-10.0, call_chex=-5.0, put_chex=-15.0, call_oi=60.0, put_oi=20.0, oi_without_iv=20.0)
    assert [float(columns[f"{kind}_gex_usd_1pct"] or 0) for kind in ("net", "abs")] == [20, 40]
    assert [float(columns[f"{kind}_chex_usd_day"] or 0) for kind in ("net", "abs")] == [-20, 20]
    assert (columns["net_to_gross"], columns["chex_net_to_gross"], columns["oi_without_iv_pct"]) == (0.5, -1.0, 25.0)


def test_a_side_that_is_not_listed_leaves_the_other_and_nothing_stays_null() -> None:
    columns = exposures(put_vex=-7.0, put_oi=3.0, oi_without_iv=0.0)
    assert (float(columns["net_vex_usd_1vol"] or 0), float(columns["abs_vex_usd_1vol"] or 0), columns["vex_net_to_gross"]) == (-7, 7, -1)
    assert columns["net_gex_usd_1pct"] is columns["abs_gex_usd_1pct"] is columns["net_to_gross"] is None
    assert columns["oi_without_iv_pct"] == 0


@pytest.mark.parametrize("file", USERS)
def test_the_columns_are_stated_in_one_function(file: str) -> None:
    text = (SQL_FOLDER / file).read_text()
    assert text.count("exposures_of(") == 1
    assert re.findall(r"as (?:net|abs)_\w+_(?:usd|1pct|1vol|day)\b|as \w*net_to_gross\b", text) == []
