"""Export: what other tools read back is what the table holds, in any form, and a range is exactly that range."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from models.contracts.registry import PUBLISHED
from models.errors import DiskProblem, UsageError
from tests.commands import strikehouse
from warehouse.home.paths import Home
from warehouse.read.export import export_table
from warehouse.read.query import query


@pytest.fixture(scope="module")
def home(published_home: Home) -> Home:
    return published_home


def sorted_by_all(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort(frame.columns, nulls_last=True)


def tables() -> Iterator[object]:
    """Every table and two views; most are left to `make test-all`."""
    for table in (*PUBLISHED, "latest.max_pain", "latest.snapshots"):
        is_quick = table in ("core.option_quotes", "core.calendar", "marts.pain_curve", "marts.gex_levels", "latest.max_pain")
        yield pytest.param(table, marks=[] if is_quick else [pytest.mark.slow])


@pytest.mark.parametrize("table", list(tables()))
def test_every_table_comes_back_from_parquet_and_arrow(home: Home, tmp_path: Path, table: str) -> None:
    whole = query(home, f"from {table}")
    if whole.is_empty():
        with pytest.raises(UsageError, match="has no rows in this range"):
            export_table(home, table, "parquet", tmp_path / "folder")
        return
    done = export_table(home, table, "parquet", tmp_path / "folder")
    files = sorted((tmp_path / "folder").rglob("*.parquet"))
    assert (done.rows, done.files) == (whole.height, len(files))
    read = duckdb.sql(f"select * from read_parquet('{tmp_path}/folder/**/*.parquet', hive_partitioning = true)").pl()
    assert_frame_equal(sorted_by_all(read.select(whole.columns)), sorted_by_all(whole))
    assert export_table(home, table, "arrow", tmp_path / "stream").rows == whole.height
    with pa.ipc.open_stream((tmp_path / "stream").read_bytes()) as stream:
        streamed = pl.from_arrow(stream.read_all())
    assert isinstance(streamed, pl.DataFrame)
    assert_frame_equal(sorted_by_all(streamed.select(whole.columns)), sorted_by_all(whole))


def test_folders_are_sessions_and_underlyings(home: Home, tmp_path: Path) -> None:
    export_table(home, "core.option_greeks", "parquet", tmp_path)
    files = [file.relative_to(tmp_path).as_posix() for file in sorted(tmp_path.rglob("*.parquet"))]
    days = (("2026-03-02", "COIN"), ("2026-03-02", "IDX"), ("2026-03-03", "COIN"))  # a coin's last snapshot is at midnight UTC
    assert files == [f"session_date={day}/underlying={name}/data.parquet" for day, name in days]
    lazily = pl.scan_parquet(tmp_path, hive_partitioning=True).filter(pl.col("underlying") == "IDX").collect()
    assert lazily.height == query(home, "from core.option_greeks where starts_with(snapshot_id, 'IDX')").height


def test_a_range_is_that_range(home: Home, tmp_path: Path) -> None:
    done = export_table(
        home, "marts.max_pain", "csv", tmp_path / "a.csv", underlyings=["coin"], sessions=(date(2026, 3, 2), date(2026, 3, 2))
    )
    frame = pl.read_csv(tmp_path / "a.csv", try_parse_dates=True)
    assert set(frame["underlying"]) == {"COIN"} and frame.height == done.rows
    assert done.rows == query(home, "from marts.max_pain where underlying = 'COIN' and session_date = '2026-03-02'").height
    assert done.rows < query(home, "from marts.max_pain where underlying = 'COIN'").height
    days = export_table(home, "core.sessions", "csv", tmp_path / "days.csv", sessions=(date(2026, 3, 2), date(2026, 3, 6)))
    assert days.rows == 5, "a table without underlyings has sessions"
    with pytest.raises(UsageError, match="no rows in this range"):
        export_table(home, "marts.max_pain", "csv", tmp_path / "b.csv", sessions=(date(2026, 3, 4), None))
    assert not (tmp_path / "b.csv").exists()


def test_csv_holds_what_the_table_holds(home: Home, tmp_path: Path) -> None:
    export_table(home, "marts.gex_heatmap", "csv", tmp_path / "heatmap.csv")
    whole = query(home, "from marts.gex_heatmap")
    read = pl.read_csv(tmp_path / "heatmap.csv", schema_overrides=whole.schema)
    assert_frame_equal(sorted_by_all(read), sorted_by_all(whole))


def test_again_gives_the_same_bytes_and_leaves_other_partitions(home: Home, tmp_path: Path) -> None:
    export_table(home, "marts.pain_curve", "parquet", tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.parquet")}
    export_table(home, "marts.pain_curve", "parquet", tmp_path, underlyings=["IDX"])
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    ("table", "underlyings", "format", "says"),
    [
        ("marts.max_pian", [], "csv", "No table is called 'marts.max_pian'. Known: core.snapshots"),
        ("core.sessions", ["SPX"], "csv", "core.sessions has no underlying"),
        ("marts.max_pain", ["NOPE"], "csv", "marts.max_pain has no rows in this range"),
        ("marts.max_pain", [], "parquet", "Parquet goes to a folder"),
    ],
)
def test_what_cannot_be_exported_is_said(home: Home, table: str, underlyings: list[str], format: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        export_table(home, table, format, None, underlyings=underlyings)  # type: ignore[arg-type]


def test_a_folder_that_cannot_be_written_is_said(home: Home, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskProblem, match="is a file, not a folder"):
        export_table(home, "marts.max_pain", "parquet", tmp_path / "file")
    with pytest.raises(DiskProblem, match="nowhere"):
        export_table(home, "marts.max_pain", "csv", tmp_path / "nowhere" / "a.csv")


@pytest.mark.slow
def test_the_command_streams_to_standard_output(home: Home) -> None:
    said = strikehouse(home.root, "export", "marts.max_pain", "--underlying", "IDX", "--format", "csv")
    assert said.returncode == 0, said.stderr
    assert pl.read_csv(io.StringIO(said.stdout)).height == query(home, "from marts.max_pain where underlying = 'IDX'").height
    wrong = strikehouse(home.root, "export", "marts.max_pain")
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1


def test_the_command_says_what_it_wrote(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    said = strikehouse(home.root, "export", "marts.max_pain", "--output", str(folder), "--json")
    assert said.returncode == 0, said.stderr
    assert f'"output": "{folder}"' in said.stdout and '"files": 3' in said.stdout
