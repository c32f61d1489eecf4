"""What readers take away: files of results, charts, the OPEX calendar."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from flows.cli.printing.table import print_frame, print_json
from models.errors import UsageError
from warehouse.home.files import disk_errors
from warehouse.read.json_values import json_value

if TYPE_CHECKING:
    from warehouse.charts.chart import Chart


def print_calendar(frame: pl.DataFrame) -> None:
    """Rows of the OPEX calendar, flags in words; every column is in the JSON."""
    flags = [name for name in frame.columns if name.startswith("is_") and name not in ("is_anchor", "is_listed")]
    words = [pl.when(pl.col(name)).then(pl.lit(name.removeprefix("is_").replace("_", " "))) for name in flags]
    measured = [
        pl.col("total_oi"),
        pl.col("oi_rolloff_pct", "gex_rolloff_pct").round(2),
        pl.col("max_pain_strike", "call_resistance", "put_support"),
    ]
    print_frame(
        frame.select(
            "expiry",
            pl.col("expires_at").dt.strftime("%Y-%m-%d %H:%M").alias("expires_at_utc"),
            "dte",
            "type",
            pl.concat_str(words, separator=", ", ignore_nulls=True).alias("flags"),
            pl.when("is_listed").then(pl.lit("yes")).otherwise(pl.lit("no")).alias("listed"),
            *(measured if frame["is_listed"].any() else []),
        )
    )
    if frame.height and (anchor := frame["next_anchor"][0]) is not None:
        print(f"\nNext anchor: {anchor:%Y-%m-%d %H:%M} UTC.")


def write_frame(frame: pl.DataFrame, format: str, output: Path | None) -> None:
    """Write a frame as CSV or Parquet to a file or to standard output."""
    target: Any = sys.stdout.buffer if output is None else output
    with disk_errors(output or Path("-")):
        if format == "parquet":
            frame.write_parquet(target)
        elif format == "json":
            content = orjson.dumps(frame.to_dicts(), default=json_value)
            target.write(content) if output is None else output.write_bytes(content)
        else:
            _write_csv(frame, target)


def _write_csv(frame: pl.DataFrame, target: Any) -> None:
    try:
        frame.write_csv(target)
    except pl.exceptions.ComputeError as error:
        raise UsageError(f"This result does not fit into CSV ({error}): choose --format json or parquet.") from error


def print_chart(charts: Sequence[Chart], left_out: Sequence[str], file: Path, *, json: bool) -> None:
    """Where the chart lies, and which kinds the filters leave no room for."""
    if json:
        first = charts[0]
        kinds = [{"kind": one.kind, "title": one.title} for one in charts]
        print_json({"file": file, "snapshot_id": first.facts.snapshot_id, "charts": kinds, "left_out": left_out})
        return
    for reason in left_out:
        print(f"Left out {reason}")
    what = charts[0].title if len(charts) == 1 else f"{len(charts)} charts of {charts[0].facts.underlying}"
    print(f"{what}: {file}")
