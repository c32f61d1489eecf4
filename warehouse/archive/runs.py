"""Run manifests, `raw/_runs/<run_id>.json`: the last file that a run writes to its archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from warehouse.archive.manifests import read_manifest
from warehouse.home.files import write_whole
from warehouse.home.paths import Home


def write_run(home: Home, manifest: dict[str, Any]) -> None:
    """Write a run's manifest, the last file of its archive; raises `DiskProblem`."""
    write_whole(home.runs / f"{manifest['run_id']}.json", orjson.dumps(manifest, option=orjson.OPT_INDENT_2))


def run_ids(home: Home) -> list[str]:
    """Archived runs in the order in which they started."""
    return sorted(path.stem for path in home.runs.glob("*.json"))


def read_run(home: Home, run_id: str) -> dict[str, Any]:
    """Manifest of one run; raises `ArchiveDamaged`."""
    return read_manifest(home.runs / f"{run_id}.json", {"run_id", "asks", "fetched"})


def read_runs(home: Home) -> Iterator[dict[str, Any]]:
    """Run manifests in the order in which they started; raises `ArchiveDamaged`."""
    for run_id in run_ids(home):
        yield read_run(home, run_id)
