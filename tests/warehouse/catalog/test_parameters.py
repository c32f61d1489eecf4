"""Thresholds: each is stated once, in its setting, and SQL and the models read it from there."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import pytest

import models
from models.contracts.core import Parameters
from models.errors import WarehouseError
from warehouse.catalog import parameters
from warehouse.catalog.parameters import HASH, parameters_frame
from warehouse.catalog.relations import SQL_FOLDER
from warehouse.settings import CheckSettings, ModelSettings, Settings

COLUMNS = [name for name in Parameters.column_names() if name != HASH]


def read_by_sql() -> set[str]:
    """Columns of core.parameters that some query reads."""
    texts = [text for file in SQL_FOLDER.rglob("*.sql") if "from core.parameters" in (text := file.read_text())]
    return {name for text in texts for name in re.findall(r"\bparameters\.([a-z_]+)", re.sub(r"core\.parameters", "", text))}


def functions_of_the_models() -> Iterator[tuple[str, inspect.Signature]]:
    for module in pkgutil.walk_packages(models.__path__, "models."):
        for name, one in vars(importlib.import_module(module.name)).items():
            if inspect.isfunction(one) and one.__module__ == module.name:
                yield f"{module.name}.{name}", inspect.signature(one)


def test_parameters_are_the_settings_that_sql_reads() -> None:
    assert set(COLUMNS) == read_by_sql()


@pytest.mark.parametrize("column", COLUMNS)
def test_a_parameter_is_one_setting_that_changes_numbers_and_means_the_same(column: str) -> None:
    (section,) = (one for one in (ModelSettings, CheckSettings) if column in one.number_fields())
    assert section.model_fields[column].description == Parameters.columns()[column].description


def test_the_row_of_parameters_has_the_values_of_the_settings() -> None:
    settings = Settings(models=ModelSettings(thin_coins=7, gamma_source="venue"), checks=CheckSettings(spot_outlier_pct=2))
    (row,) = parameters_frame(settings).rows(named=True)
    assert (row[HASH], row["thin_coins"], row["gamma_source"], row["spot_outlier_pct"]) == (settings.numbers_hash, 7, "venue", 2)
    assert row["v_depth"] == Settings().models.v_depth


def test_a_parameter_without_a_setting_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "SECTIONS", ("models",))
    with pytest.raises(WarehouseError, match="core.parameters has a column min_live_share_of_previous"):
        parameters_frame(Settings())


def test_no_function_of_the_models_has_a_default_of_its_own_for_a_setting() -> None:
    names = {name for section in (ModelSettings, CheckSettings) for name in section.number_fields()}
    listed = [(name, one.name, one) for name, signature in functions_of_the_models() for one in signature.parameters.values()]
    assert {"tau_floor_seconds", "iv_min", "gamma_source"} <= {parameter for _, parameter, _ in listed}
    assert [f"{name}({parameter})" for name, parameter, one in listed if parameter in names and one.default is not one.empty] == []
