"""Mapping files of the format `columns`: TOML that says which column holds what."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from flows.formats.columns.mapping import mapping_document
from models.errors import UsageError


def read_mapping(file: Path) -> dict[str, Any]:
    """The mapping in a file, as a run manifest stores it; raises `UsageError` naming every key that is wrong."""
    try:
        document = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file.name}: the mapping cannot be read ({error}).") from None
    return mapping_document(document, file.name)
