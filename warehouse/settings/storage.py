"""Where tables are stored, and what DuckDB may use."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from warehouse.settings.base import SettingsPart


class StorageSettings(SettingsPart):
    """Where tables are kept, and what DuckDB may use."""

    catalog: str = "duckdb"
    data_path: Path | None = None  # where old rows lie as Parquet; default: parquet/ under home
    native_days: int = Field(default=90, ge=0)  # `maintain` moves a month to Parquet when it ended so many days ago
    raw_keep_days: int | None = Field(default=None, ge=1)  # `maintain` removes older replies whose rebuild it has verified; default: never
    compact_free_pct: float = Field(default=25.0, gt=0, le=100)  # `maintain` rewrites a work file with so much free space in it
    generations_kept: int = Field(default=5, ge=2)
    lock_wait_s: float = Field(default=10.0, ge=0)  # how long a run waits for another one that writes
    memory_limit: str = "1GB"
    threads: int = Field(default=2, ge=1)
