"""Tombstones: files in raw/ that replace replies removed by `maintain`.

    raw/_tombstones/<run_id>.json   written before the replies of a run are removed: the verified hashes of a rebuild of its snapshots

Manifests of runs and folders stay, so only the bytes of the replies are lost. `warehouse/load/retained_rows.py` carries the rows of
such snapshots through a rebuild.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from models.errors import ArchiveDamaged
from warehouse.archive.replies import folder_manifest
from warehouse.archive.runs import read_run
from warehouse.home.files import disk_errors, write_whole
from warehouse.home.paths import Home

Hashes = dict[tuple[str, str], tuple[int, str]]  # (table, snapshot_id) → rows, hash


def tombstones(home: Home) -> dict[str, dict[str, Any]]:
    """Run → its tombstone; raises `ArchiveDamaged`."""
    by_run = {}
    for path in sorted(_folder(home).glob("*.json")):
        try:
            by_run[path.stem] = orjson.loads(path.read_bytes())
            assert isinstance(by_run[path.stem]["tables"], list)
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, AssertionError) as error:
            raise ArchiveDamaged(f"{path}: the tombstone cannot be read ({error}). Restore it from a backup.") from error
    return by_run


def bury(home: Home, run_id: str, verified: Hashes, *, said: Mapping[str, str]) -> int:
    """Write a run's tombstone, then remove its replies; returns the bytes freed. A repeated call resumes."""
    path = _folder(home) / f"{run_id}.json"
    if not path.exists():
        with disk_errors(path):
            path.parent.mkdir(exist_ok=True)
        tables = [[name, snapshot_id, rows, digest] for (name, snapshot_id), (rows, digest) in sorted(verified.items())]
        write_whole(path, orjson.dumps({"run_id": run_id, **said, "tables": tables}, option=orjson.OPT_INDENT_2))
    return sum(_remove(file) for file in replies(home, run_id))


def replies(home: Home, run_id: str) -> list[Path]:
    """Existing files of a run's replies; raises `ArchiveDamaged`."""
    folders = {one["folder"] for one in read_run(home, run_id)["fetched"] if one["folder"]}
    files = (home.raw / folder / entry["file"] for folder in sorted(folders) for entry in folder_manifest(home, folder)["replies"])
    return [file for file in files if file.exists()]


def _folder(home: Home) -> Path:
    return home.raw / "_tombstones"


def _remove(file: Path) -> int:
    size = 0
    with disk_errors(file), suppress(FileNotFoundError):
        size = file.stat().st_size
        file.unlink()
    return size
