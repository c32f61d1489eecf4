"""Manifests of the archive: JSON files that record requests and their replies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from models.errors import ArchiveDamaged

RESTORE_IT = "Restore it from a backup; until then what it describes cannot be rebuilt."


def read_manifest(path: Path, needed: set[str]) -> dict[str, Any]:
    """Read a manifest with at least these keys; raises `ArchiveDamaged`."""
    try:
        manifest = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ArchiveDamaged(f"{path}: the manifest cannot be read ({error}). {RESTORE_IT}") from error
    if not isinstance(manifest, dict) or not needed <= set(manifest):
        raise ArchiveDamaged(f"{path}: this is no manifest; {', '.join(sorted(needed))} are not all there. {RESTORE_IT}")
    return manifest
