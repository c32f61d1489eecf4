"""Where tables are stored, and what DuckDB may use."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from warehouse.settings.base import SettingsPart


class StorageSettings(SettingsPart):
    """Where tables are kept, and what DuckDB may use."""

    catalog: str = Field(default="duckdb", description="what stores the tables: duckdb is the only one")
    data_path: Path | None = Field(default=None, description="folder of old rows as Parquet; none: `parquet/` under home")
    native_days: int = Field(default=90, ge=0, description="`maintain` moves a month to Parquet when it ended so many days ago")
    raw_keep_days: int | None = Field(
        default=None, ge=1, description="`maintain` removes older replies whose rebuild it has verified; none: never"
    )
    compact_free_pct: float = Field(
        default=25.0, gt=0, le=100, description="`maintain` rewrites a work file with so much free space in it, in percent"
    )
    generations_kept: int = Field(default=5, ge=2, description="published generations that stay, the live one included")
    lock_wait_s: float = Field(default=10.0, ge=0, description="seconds that a run waits for another one that writes")
    memory_limit: str = Field(default="1GB", description="memory that DuckDB may use")
    threads: int = Field(default=2, ge=1, description="threads that DuckDB may use")
