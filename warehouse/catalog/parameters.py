"""`core.parameters`: the settings that relations and checks read."""

from __future__ import annotations

import polars as pl

from models.contracts.core import Parameters
from models.errors import WarehouseError
from warehouse.settings import Settings

HASH = "settings_hash"
SECTIONS = ("models", "checks")  # sections of the settings in which parameters are looked up by name


def parameters_frame(settings: Settings) -> pl.DataFrame:
    """The row of `core.parameters`: its contract names the settings; raises `WarehouseError` for a column that is no setting."""
    values = {HASH: settings.numbers_hash, **{name: _value(settings, name) for name in Parameters.column_names() if name != HASH}}
    return pl.DataFrame([values], schema={name: column.dtype for name, column in Parameters.columns().items()})


def _value(settings: Settings, name: str) -> object:
    for section in SECTIONS:
        part = getattr(settings, section)
        if name in part.number_fields():
            return getattr(part, name)
    raise WarehouseError(f"core.parameters has a column {name}, and no setting that changes numbers has that name.")
