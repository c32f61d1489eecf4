"""The registry of import formats, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.formats.importer import Importer
from models.errors import UsageError

FORMATS = ("cboe-csv", "deribit-json", "deribit-csv", "binance-vision", "columns", "settlements")


def importer(format: str, mapping: Mapping[str, Any] | None = None) -> Importer:
    """The importer of a format; `mapping` is that of `columns`. Raises `UsageError` for a format that is not known."""
    from flows.formats.binance_vision import BinanceVision
    from flows.formats.cboe_csv import CboeCsv
    from flows.formats.columns.file import ColumnsFile
    from flows.formats.deribit_files import DeribitCsv, DeribitJson
    from flows.formats.settlements import Settlements

    if format == ColumnsFile.format:
        if mapping is None:
            raise UsageError("The format columns needs a mapping: --mapping FILE.toml. docs/imports.md lists its keys.")
        return ColumnsFile(mapping)
    for one in (CboeCsv, DeribitJson, DeribitCsv, BinanceVision, Settlements):
        if one.format == format:
            if mapping is not None:
                raise UsageError(f"The format {format} takes no mapping; only columns does.")
            return one()
    raise UsageError(f"No import format is called {format!r}. Known formats: {', '.join(FORMATS)}.")
