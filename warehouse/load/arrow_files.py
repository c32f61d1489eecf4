"""Computed rows on their way from one process to another: a folder of Arrow files, mapped into memory instead of copied through a pipe.

Old months do not go that way: their rows become the Parquet files in which they stay (warehouse/storage/parquet_files.py).
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
    """Write what was computed, as it is stored, into a folder that does not exist yet; returns the files that old months became."""
    folder.mkdir(parents=True)
    stored = {name: ddl.as_stored(name, frame) for name, frame in {**computed.tables, CHECK_RESULTS: computed.check_results}.items()}
    left, files = split_months(stored, moving)
    for name, frame in left.items():
        frame.write_ipc(folder / f"{name}.arrow", compression="uncompressed")
    return files


def read_computed(folder: Path, files: Sequence[MonthFile] = (), parquet: Path = Path()) -> Computed:
    """What `write_computed` wrote; the rows stay in the files, which may be removed while frames of them are in use.

    `files` below the folder `parquet` are read too: of a group that cannot stand on them as they are.
    """
    tables = {file.name.removesuffix(".arrow"): _mapped(file) for file in sorted(folder.glob("*.arrow"))}
    for file in files:
        moved = pl.read_parquet(parquet / file.path)
        tables[file.relation] = pl.concat([tables[file.relation], moved.cast(tables[file.relation].schema)])
    return Computed(tables, tables.pop(CHECK_RESULTS))


def _mapped(file: Path) -> pl.DataFrame:
    with pa.memory_map(str(file)) as source:
        return pl.DataFrame(pa.ipc.open_file(source).read_all())
