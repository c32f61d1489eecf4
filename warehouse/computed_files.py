"""Computed rows on their way from one process to another: a folder of Arrow files, mapped into memory instead of copied through a pipe."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.ipc

from warehouse.compute import Computed

CHECK_RESULTS = "ops.check_results"


def write_computed(computed: Computed, folder: Path) -> None:
    """Write what was computed into a folder that does not exist yet."""
    folder.mkdir(parents=True)
    for name, frame in {**computed.tables, CHECK_RESULTS: computed.check_results}.items():
        frame.write_ipc(folder / f"{name}.arrow", compression="uncompressed")


def read_computed(folder: Path) -> Computed:
    """What `write_computed` wrote; the rows stay in the files, which may be removed while frames of them are in use."""
    tables = {file.name.removesuffix(".arrow"): _mapped(file) for file in sorted(folder.glob("*.arrow"))}
    return Computed(tables, tables.pop(CHECK_RESULTS))


def _mapped(file: Path) -> pl.DataFrame:
    with pa.memory_map(str(file)) as source:
        return pl.DataFrame(pa.ipc.open_file(source).read_all())
