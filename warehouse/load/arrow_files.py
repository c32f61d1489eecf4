"""Passes computed rows between processes as a folder of Arrow files, memory-mapped instead of copied through a pipe.

Rows of old months are written directly to their final Parquet files (warehouse/storage/parquet_files.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.ipc

from warehouse.catalog import ddl
from warehouse.load.compute import Computed
from warehouse.storage.parquet_files import MonthFile, Moving, split_months

CHECK_RESULTS = "ops.check_results"


def write_computed(computed: Computed, folder: Path, moving: Moving) -> list[MonthFile]:
    """Write computed rows, in stored form, into a new folder; returns the Parquet files of old months."""
    folder.mkdir(parents=True)
    stored = {name: ddl.as_stored(name, frame) for name, frame in {**computed.tables, CHECK_RESULTS: computed.check_results}.items()}
    left, files = split_months(stored, moving)
    for name, frame in left.items():
        frame.write_ipc(folder / f"{name}.arrow", compression="uncompressed")
    return files


def read_computed(folder: Path, files: Sequence[MonthFile] = (), parquet: Path = Path()) -> Computed:
    """Read what `write_computed` wrote; frames are memory-mapped, and the files may be removed while they are in use.

    `files` below the folder `parquet` are read too, for a group that cannot add them as cold partitions.
    """
    tables = {file.name.removesuffix(".arrow"): _mapped(file) for file in sorted(folder.glob("*.arrow"))}
    for file in files:
        moved = pl.read_parquet(parquet / file.path)
        tables[file.relation] = pl.concat([tables[file.relation], moved.cast(tables[file.relation].schema)])
    return Computed(tables, tables.pop(CHECK_RESULTS))


def _mapped(file: Path) -> pl.DataFrame:
    with pa.memory_map(str(file)) as source:
        return pl.DataFrame(pa.ipc.open_file(source).read_all())
