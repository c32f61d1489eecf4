"""Tables in text, and values as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
import polars as pl

from warehouse.read.json_values import json_value

MAX_ROWS_ON_END, MIN_COLUMNS_ON_END = 4, 14  # such a table is printed with a line per column


def text_table(names: Sequence[str], rows: Iterable[Sequence[str]], is_number: Sequence[bool], *, indent: str = "") -> str:
    """A table of texts, numbers to the right, with a rule under its head: never cut or wrapped, and the same on a terminal and in a file.

    Rich's table says the same in 2.2 ms a row of 28 columns where this takes 0.03: 10,000 contracts would be 23 s instead of 0.3.
    """
    lines = [names, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["─" * width for width in widths])
    sides = [str.rjust if number else str.ljust for number in is_number]
    return "\n".join(
        indent + "  ".join(side(cell, width) for side, cell, width in zip(sides, line, widths, strict=True)).rstrip() for line in lines
    )


def print_frame(frame: pl.DataFrame, *, json: bool = False) -> None:
    """A frame as a table that shows every row and column, or as JSON rows."""
    if json:
        print_json(frame.to_dicts())
        return
    if frame.is_empty():
        print(f"No rows ({', '.join(frame.columns)}).")
        return
    if frame.height <= MAX_ROWS_ON_END and frame.width > MIN_COLUMNS_ON_END:
        frame = _on_end(frame)
    rows = [[_cell(value) for value in row] for row in frame.iter_rows()]
    print(text_table(frame.columns, rows, [dtype.is_numeric() for dtype in frame.dtypes]))


def print_rows(rows: list[dict[str, Any]], *, json: bool) -> None:
    """Rows as a table or as JSON."""
    print_frame(pl.DataFrame(rows, infer_schema_length=None), json=json)


def print_json(value: Any) -> None:
    """Any value as JSON."""
    print(orjson.dumps(value, default=json_value, option=orjson.OPT_INDENT_2).decode())


def _on_end(frame: pl.DataFrame) -> pl.DataFrame:
    """A few long rows read better as columns."""
    values = [[_cell(value) for value in row] for row in frame.iter_rows()]
    return pl.DataFrame({"column": frame.columns, **{f"row {index + 1}": row for index, row in enumerate(values)}})


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:,.0f}"
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return str(value)
