"""Publication: the work file is checked and copied, then replaces the live file atomically.

    published/strikehouse.duckdb             the live file; a hard link to the newest generation, or to the one rolled back to
    published/generations/<n>.duckdb, .json  the last generations, each with its manifest
    published/manifest.json                  manifest of the live generation; `parquet` names its cold files

Readers of the old file keep it open until they reopen; nothing blocks.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
import polars as pl

from models.contracts.registry import TABLES
from models.errors import PublicationMissing, PublicationUnreadable, StructureCheckFailed, UsageError
from warehouse.catalog.checks import run_checks
from warehouse.home.files import disk_errors, remove_leftovers, whole_file, write_whole
from warehouse.home.locks import writer_lock
from warehouse.home.paths import Home
from warehouse.publish.status import note_generation
from warehouse.settings import Settings
from warehouse.storage import cold_partitions
from warehouse.storage.work_file import insert

COPY_BYTES = 1 << 22


@dataclass(frozen=True)
class Generation:
    """One retained publication."""

    number: int
    is_live: bool
    manifest: dict[str, Any]


def publish(con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, *, run_id: str | None, now: datetime, code_version: str) -> int:
    """Check and publish the work file that `con` has open; returns the generation.

    Raises `StructureCheckFailed` when a structural check finds rows, and leaves the live file unchanged.
    """
    check_structure(con)
    return write_generation(con, home, settings, run_id=run_id, now=now, code_version=code_version)


def check_structure(con: duckdb.DuckDBPyConnection) -> None:
    """Raise `StructureCheckFailed` when a structural check finds rows in the work file."""
    failing = run_checks(con, scope="structure", needs="snapshot")
    if failing.height:
        named = "; ".join(f"{row['check_name']} ({row['rows']} rows, such as {row['example']})" for row in failing.iter_rows(named=True))
        raise StructureCheckFailed(f"Readers keep the last good file, because of {named}. Run `strikehouse rebuild`.")


def write_generation(
    con: duckdb.DuckDBPyConnection, home: Home, settings: Settings, *, run_id: str | None, now: datetime, code_version: str
) -> int:
    """Publish the work file that `con` has open, whose structure was checked; returns the generation."""
    number = max([generation.number for generation in generations(home)], default=0) + 1
    con.execute("delete from ops.publication")
    row = {
        "generation": number,
        "published_at": now.replace(tzinfo=None),
        "run_id": run_id,
        "code_version": code_version,
        "settings_hash": settings.numbers_hash,
    }
    insert(con, "ops.publication", pl.DataFrame([row], schema_overrides={"run_id": pl.String}))
    rows = _counts(con)
    con.execute("checkpoint")
    folder = home.published / "generations"
    target = folder / f"{number:06d}.duckdb"
    with disk_errors(folder):
        folder.mkdir(exist_ok=True)
    with whole_file(target) as temporary:
        digest = _copy(home.work_file, temporary)
        _smoke_test(temporary, rows)
        temporary.chmod(0o444)  # a reader that does not open read-only must not lock out the others
    manifest = {
        "generation": number,
        "run_id": run_id,
        "published_at": now.isoformat(timespec="seconds"),
        "code_version": code_version,
        "settings_hash": settings.numbers_hash,
        "file": target.name,
        "bytes": target.stat().st_size,
        "sha256": digest,
        "rows": rows,
        "parquet": cold_partitions.all_files(con),
    }
    write_whole(target.with_suffix(".json"), orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    _make_live(home, manifest)
    con.execute("delete from main.unpublished")
    _prune(home, settings.storage.generations_kept)
    return number


def roll_back(home: Home, *, wait_s: float = 0.0) -> int:
    """Make the generation before the live one live again; returns it. Raises `UsageError` when there is none, or `WorkFileLocked`."""
    with writer_lock(home, "publish --rollback", wait_s=wait_s):
        number = _roll_back(home)
        note_generation(home, number)
    return number


def _roll_back(home: Home) -> int:
    retained = generations(home)
    live = next((generation.number for generation in retained if generation.is_live), None)
    if live is None:
        raise PublicationMissing(f"{home.published_file}: nothing is published yet. Run `strikehouse snapshot` or `strikehouse publish`.")
    earlier = [generation for generation in retained if generation.number < live]
    if not earlier:
        raise UsageError(f"There is no generation before {live} to go back to; kept are {', '.join(str(g.number) for g in retained)}.")
    _make_live(home, earlier[-1].manifest)
    return earlier[-1].number


def generations(home: Home) -> list[Generation]:
    """Retained generations, oldest first; those with a damaged manifest are left out."""
    manifests = []
    for path in sorted((home.published / "generations").glob("*.json")):
        manifest = _read(path)
        if manifest and path.with_suffix(".duckdb").exists():
            manifests.append(manifest)
    live = _live_number(home, manifests)
    return [Generation(manifest["generation"], manifest["generation"] == live, manifest) for manifest in manifests]


def _live_number(home: Home, manifests: Sequence[dict[str, Any]]) -> int | None:
    """The live generation: the target of the link with the live name.

    manifest.json, which is written a moment later, decides without a matching link: in a home copied without hard links, or with a
    replaced live file.
    """
    with suppress(FileNotFoundError):
        live = home.published_file.stat()
        for manifest in reversed(manifests):
            with suppress(FileNotFoundError):
                if os.path.samestat((home.published / "generations" / manifest["file"]).stat(), live):
                    return int(manifest["generation"])
    said = _read(home.published / "manifest.json")
    return int(said["generation"]) if said else None


def live_generation(home: Home) -> int | None:
    """Number of the live generation; None before the first publication, or when it cannot be determined (publish again)."""
    return next((generation.number for generation in generations(home) if generation.is_live), None)


def repair_manifest(home: Home) -> None:
    """Make manifest.json match the live file, after a kill between the two writes; for a process that holds the writer lock."""
    live = next((generation.manifest for generation in generations(home) if generation.is_live), None)
    if live is not None and _read(home.published / "manifest.json") != live:
        write_whole(home.published / "manifest.json", orjson.dumps(live, option=orjson.OPT_INDENT_2))


def live_manifest(home: Home) -> dict[str, Any]:
    """Manifest of the live generation; empty before the first publication. Raises `PublicationUnreadable`."""
    live = next((generation.manifest for generation in generations(home) if generation.is_live), None)
    if live is not None:
        return live
    path = home.published / "manifest.json"
    try:
        manifest: dict[str, Any] = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, orjson.JSONDecodeError) as error:
        raise PublicationUnreadable(f"{path} cannot be read ({error}). Run `strikehouse publish`.") from error
    return manifest


def _read(path: Path) -> dict[str, Any] | None:
    """A manifest; None when it is missing or damaged."""
    try:
        manifest: dict[str, Any] = orjson.loads(path.read_bytes())
        return manifest if isinstance(manifest["generation"], int) and isinstance(manifest["file"], str) else None
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _make_live(home: Home, manifest: dict[str, Any]) -> None:
    with whole_file(home.published_file) as link:
        os.link(home.published / "generations" / manifest["file"], link)
    write_whole(home.published / "manifest.json", orjson.dumps(manifest, option=orjson.OPT_INDENT_2))


def _prune(home: Home, retention: int) -> None:
    """Remove old generations, and leftovers of a killed publication: temporary files, a manifest without its file."""
    for generation in generations(home)[:-retention]:
        if not generation.is_live:
            path = home.published / "generations" / generation.manifest["file"]
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)
    folder = home.published / "generations"
    for manifest in folder.glob("*.json"):
        if not manifest.with_suffix(".duckdb").exists():
            manifest.unlink(missing_ok=True)
    for directory in (home.root, home.published, folder):
        remove_leftovers(directory)


def _copy(source: Path, target: Path) -> str:
    """Copy a file; returns its SHA-256."""
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(COPY_BYTES):
            digest.update(block)
            writer.write(block)
    shutil.copymode(source, target)
    return digest.hexdigest()


def _smoke_test(file: Path, rows: dict[str, int]) -> None:
    """Open the copy as a reader would: every relation has the row count of the work file, and every Parquet file exists."""
    with duckdb.connect(str(file), read_only=True) as con:
        for name, count in _counts(con).items():
            if count != rows[name]:
                raise PublicationUnreadable(f"{file}: {name} lost rows in the copy. Run `strikehouse publish` again.")
        con.execute("from max_pain('NONE')").fetchall()


def _counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of every table, by published name."""
    return dict(con.execute(" union all ".join(f"select '{name}', count(*) from {name}" for name in TABLES)).fetchall())
