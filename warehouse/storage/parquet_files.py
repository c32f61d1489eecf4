"""Parquet files, each with one table of a month of an underlying: durable, named by content hash, immutable.

<data_path>/<table>/<underlying>-<month>-<hash>.parquet   rows by key; the hash is of the file's bytes
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from warehouse.catalog import ddl
from warehouse.home.files import disk_errors, rename_durably, temporary_file

ROWS_OF_MONTH = "snapshot_id >= $first and snapshot_id < $end"  # with `Month.bounds`
ROW_GROUP_ROWS = 50_000  # a snapshot of SPX has some 25 000: so a query for one reads little of a month


@dataclass(frozen=True, order=True)
class Month:
    """The unit of moving: all snapshots of an underlying in a month, in every table of `ddl.MOVED`."""

    underlying: str
    month: str  # YYYYMM, UTC

    @classmethod
    def of(cls, snapshot_id: str) -> Month:
        """The month of a snapshot."""
        underlying, captured_at = snapshot_id.rsplit("-", 1)
        return cls(underlying, captured_at[:6])

    @property
    def bounds(self) -> dict[str, str]:
        """Parameters of `ROWS_OF_MONTH`."""
        first = f"{self.underlying}-{self.month}"
        return {"first": first, "end": first + "~"}

    @property
    def ended_before(self) -> date:
        """First day of the next month."""
        return (date(int(self.month[:4]), int(self.month[4:]), 28) + timedelta(days=4)).replace(day=1)


class MonthFile(NamedTuple):
    """A file as listed in the work file."""

    relation: str  # published name
    underlying: str
    month: str
    path: str  # below the Parquet folder
    columns: list[str]
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Moving:
    """Rows of a large load that are written to files directly, without being native first: those that `maintain` would move.

    Groups of fewer than `least_contracts` contracts are left to `maintain`.
    """

    folder: Path
    ended_before: date
    least_contracts: int = 20_000

    def is_due(self, snapshot_id: str) -> bool:
        """Whether the month of a snapshot ended long enough ago."""
        return Month.of(snapshot_id).ended_before <= self.ended_before


def write_file(folder: Path, name: str, month: Month, rows: int, write: Callable[[Path], object]) -> MonthFile:
    """Write a month of one table with `write`, durable under its final name."""
    table = name.split(".")[1]
    stem = f"{re.sub(r'[^A-Za-z0-9._^-]', '_', month.underlying)}-{month.month}"
    with disk_errors(folder / table):
        (folder / table).mkdir(parents=True, exist_ok=True)
    with temporary_file(folder / table / stem) as temporary:
        write(temporary)
        with temporary.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        target = temporary.with_name(f"{stem}-{sha256[:16]}.parquet")
        temporary.chmod(0o444)
        rename_durably(temporary, target)
        path = f"{table}/{target.name}"
        return MonthFile(name, month.underlying, month.month, path, ddl.stored_columns(name), rows, target.stat().st_size, sha256)


def split_months(tables: Mapping[str, pl.DataFrame], moving: Moving) -> tuple[dict[str, pl.DataFrame], list[MonthFile]]:
    """Write the old months among computed rows to files; returns the other rows, and the files.

    `tables`: published name → stored rows, grouped by snapshot and sorted by key.
    """
    months = _months(tables["core.option_quotes"], moving)
    if not months:
        return dict(tables), []
    left, files = dict(tables), []
    for name in ddl.MOVED:
        if name not in tables:  # without a usable venue there are quotes only
            continue
        rows = _by_snapshot(tables[name])
        for month, snapshot_ids in months.items():
            mine = [rows.pop(snapshot_id) for snapshot_id in snapshot_ids if snapshot_id in rows]
            if mine:
                frame = pl.concat(mine)
                files.append(write_file(moving.folder, name, month, frame.height, partial(_write, frame)))
        left[name] = pl.concat([tables[name].clear(), *rows.values()])
    return left, files


def _months(quotes: pl.DataFrame, moving: Moving) -> dict[Month, list[str]]:
    """Months that become files, in order, with their snapshots in order."""
    contracts = dict(quotes.group_by("snapshot_id").len().sort("snapshot_id").iter_rows())
    months: dict[Month, list[str]] = {}
    for snapshot_id in contracts:
        months.setdefault(Month.of(snapshot_id), []).append(snapshot_id)
    return {
        month: ids
        for month, ids in sorted(months.items())
        if moving.is_due(ids[0]) and sum(contracts[one] for one in ids) >= moving.least_contracts
    }


def _by_snapshot(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Rows of each snapshot, which are contiguous: slices, not copies."""
    lengths, ids = frame["snapshot_id"].rle().struct.unnest().get_columns()
    slices, start = {}, 0
    for snapshot_id, length in zip(ids, lengths, strict=True):
        slices[snapshot_id] = frame.slice(start, length)
        start += length
    return slices


def _write(frame: pl.DataFrame, path: Path) -> None:
    # light compression: a fifth less time for a quarter more bytes, until `maintain` merges the month's files
    frame.write_parquet(path, compression="lz4", row_group_size=ROW_GROUP_ROWS)
