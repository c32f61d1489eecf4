"""The rows of a file as typed columns, a whole column at a time: what cannot be read is refused and remembered, never dropped.

The same rules as for a reply (flows/sources/parsing/columns.py): a broken essential value refuses its row, any other becomes NULL, and both
are recorded. So rows in the file = kept rows + refused rows.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from flows.sources.parsing.columns import LONGEST_SHOWN_VALUE, NOISE_DECIMALS, REJECTED_NONE, TOO_LARGE, lie_within
from models.chain import RawPayload
from models.errors import FileError

THOUSANDS = r"^[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?$"
EXTRA, POSITION = "\x00more", "\x00position"  # a cell beyond the header's; where a row stands in the table


def read_csv(content: bytes, header: Sequence[str] | None = None, *, first_row: int = 0) -> pl.DataFrame:
    """The rows of a CSV text, every cell as text (null when empty), with `row_number`: its line in the file, from 0.

    Without `header` the first line is one; with it, rows begin after `first_row` lines. Blank lines are left out; a cell too many stands
    in the column `EXTRA`. Raises `FileError`.
    """
    try:
        return scan_csv(content, header, first_row=first_row).collect()
    except pl.exceptions.PolarsError as error:
        raise no_table(error) from None


def scan_csv(content: bytes, header: Sequence[str] | None = None, *, first_row: int = 0, separator: str = ",") -> pl.LazyFrame:
    """The same, to be read later: then a broken text raises a polars error."""
    text = content.removeprefix(b"\xef\xbb\xbf")
    try:
        text.decode()
        if header is None:
            first = pl.read_csv(
                io.BytesIO(text), has_header=False, infer_schema=False, n_rows=1, truncate_ragged_lines=True, separator=separator
            )
            header, first_row = [name or "" for name in first.row(0)], 1
    except UnicodeDecodeError:
        raise FileError("it is no UTF-8 text. Save it as UTF-8") from None
    except pl.exceptions.PolarsError as error:
        raise no_table(error) from None
    names = _distinct(header)
    cells = pl.scan_csv(
        io.BytesIO(text),
        has_header=False,
        skip_lines=first_row,
        separator=separator,
        schema=dict.fromkeys([*names, EXTRA], pl.String()),
        missing_columns="insert",
        truncate_ragged_lines=True,
        raise_if_empty=False,
        row_index_name="row_number",
        row_index_offset=first_row,
    )
    cell, is_used = pl.col([*names, EXTRA]), pl.any_horizontal(pl.col(names).is_not_null())
    stripped = cells.with_columns(cell.str.strip_chars(), pl.col("row_number").cast(pl.Int64))
    return stripped.with_columns(pl.when(cell != "").then(cell).name.keep()).filter(is_used)  # `replace` takes as long as to read the file


def no_table(error: pl.exceptions.PolarsError) -> FileError:
    """The error for a file that polars cannot read."""
    return FileError(f"it cannot be read as a table ({str(error).splitlines()[0][:100]}). Download it again")


def _distinct(names: Iterable[str]) -> list[str]:
    """Header cells as names of columns: an unnamed or repeated one gets a number."""
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        clean = name.strip()
        seen[clean if clean and clean not in seen else f"{clean}#{index + 1}"] = index
    return list(seen)


class FileTable:
    """Rows of a file, of one chain, and what was refused in them.

    `rows` has `row_number` and `key`, the column with the name of the instrument; a row without one is refused. `missing`: texts that
    stand for nothing. `labels`: what the file itself calls a column.
    """

    def __init__(
        self, payload: RawPayload, rows: pl.DataFrame, *, key: str, missing: Sequence[str] = (), labels: Mapping[str, str] | None = None
    ) -> None:
        self.rows = rows
        self.height = rows.height
        self._payload, self._key, self._missing, self._labels = payload, key, list(missing), labels or {}
        self._refused_rows: list[tuple[pl.Series, str, str]] = []
        self._refused_values: list[tuple[pl.Series, str, str]] = []
        self.warnings: list[str] = []
        self.names = self.text(key)
        self.refuse_rows(self.names.is_null(), "bad_name", key)
        if EXTRA in rows.columns:
            self.refuse_rows(rows[EXTRA].is_not_null(), "too_many_cells", EXTRA)

    def text(self, field: str) -> pl.Series:
        """A column as text; null where it is missing."""
        return self._column(field).cast(pl.String)

    def nothing(self) -> pl.Series:
        """A column of numbers that are not there."""
        return pl.repeat(None, self.height, dtype=pl.Float64, eager=True)

    def number(
        self,
        field: str,
        *,
        is_essential: bool = False,
        is_required: bool = False,
        is_signed: bool = False,
        zero_is_missing: bool = False,
    ) -> pl.Series:
        """A column of finite numbers, or of texts that hold one (`1,234.5`, `0E-8`); null where it is missing or refused.

        `is_essential`: what cannot be read refuses the whole row. `is_required`: so does what is missing.
        """
        cells = self._column(field)
        numbers, is_broken = _read_numbers(cells)
        broken: dict[str, pl.Series] = {}
        if is_broken.any() or not lie_within(numbers, -TOO_LARGE if is_signed else 0.0, TOO_LARGE):  # hardly ever
            broken |= {"not_a_number": is_broken, "infinite": numbers.is_infinite() & ~is_broken}
            broken |= {} if is_signed else {"negative": (numbers < 0) & numbers.is_finite()}
            broken |= {"too_large": (numbers.abs() >= TOO_LARGE) & numbers.is_finite()}
        for reason, mask in broken.items():
            (self.refuse_rows if is_essential or is_required else self._refuse_values)(mask, reason, field)
            numbers = numbers.set(mask.fill_null(False), None)
        if is_required:
            self.refuse_rows(cells.is_null(), "missing", field)
        return numbers.set((numbers == 0).fill_null(False), None) if zero_is_missing else numbers

    def refuse_rows(self, mask: pl.Series, reason: str, field: str | None = None) -> None:
        """Refuses whole rows; the first reason to refuse a row stands."""
        if mask.any():
            self._refused_rows.append((mask.fill_null(False), reason, field or self._key))

    def refuse_duplicates(self) -> None:
        """Of several rows with one name the first readable one stays: others are a `duplicate`, or a `conflicting_duplicate`."""
        if self.names.n_unique() == self.height:
            return
        accepted = pl.DataFrame({"name": self.names, "is_accepted": self.is_accepted})
        again = accepted.select(pl.col("is_accepted") & (pl.col("is_accepted").cum_sum().over("name") > 1)).to_series()
        if again.any():
            cells = pl.struct(pl.exclude("row_number"))
            is_first = accepted["is_accepted"] & ~again
            first = self.rows.filter(is_first).select(pl.lit(self.names.filter(is_first)).alias("\x00name"), cells.alias("first"))
            both = pl.DataFrame({"\x00name": self.names, "cells": self.rows.select(cells).to_series()}).join(
                first, on="\x00name", how="left", maintain_order="left"
            )
            is_same = both.select(pl.col("cells").eq_missing(pl.col("first"))).to_series()
            self.refuse_rows(again & is_same, "duplicate")
            self.refuse_rows(again & ~is_same, "conflicting_duplicate")

    def note(self, count: int, what: str) -> None:
        """Adds a warning about so many values, unless there are none."""
        if count:
            self.warnings.append(f"{count} {what}")

    def lots(self, amounts: pl.Series, step: float | None) -> pl.Series:
        """Amounts rounded to whole steps, free of float noise; without a step only that. A step that does not fit is noted."""
        if step is None:
            return amounts.round(NOISE_DECIMALS)
        whole = (amounts / step).round() * step
        self.note(
            int(((whole - amounts).abs() > 0.01 * step).sum()), f"values of {amounts.name} are no whole number of lots and were rounded"
        )
        return whole.round(NOISE_DECIMALS)

    @property
    def is_accepted(self) -> pl.Series:
        """Which rows were not refused."""
        accepted = pl.repeat(True, self.height, eager=True)
        for mask, _, _ in self._refused_rows:
            accepted &= ~mask
        return accepted

    def quotes(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Columns of these rows beside what every contract has: instrument, payload_sha256, row_number; without refused rows."""
        contracts = columns.with_columns(
            self.names.alias("instrument"), self.rows["row_number"], payload_sha256=pl.lit(self._payload.sha256)
        )
        return contracts.filter(self.is_accepted) if self._refused_rows else contracts

    def rejected(self) -> pl.DataFrame:
        """Refused rows, and refused values of kept rows, in the order of the file (`RejectedRows`)."""
        if not self._refused_rows and not self._refused_values:
            return REJECTED_NONE
        refused = ~self.is_accepted
        seen = pl.repeat(False, self.height, eager=True)
        parts = [pl.DataFrame(schema={**REJECTED_NONE.schema, POSITION: pl.UInt32})]
        for mask, reason, field in self._refused_rows:
            parts.append(self._rejections(mask & ~seen, reason, field, is_row_kept=False))
            seen |= mask
        parts += [self._rejections(mask & ~refused, reason, field, is_row_kept=True) for mask, reason, field in self._refused_values]
        return pl.concat(parts).sort(POSITION, maintain_order=True).drop(POSITION)

    def _rejections(self, mask: pl.Series, reason: str, field: str, *, is_row_kept: bool) -> pl.DataFrame:
        value = self.rows[field].cast(pl.String) if field in self.rows.columns else self.names
        rows = pl.DataFrame(
            [self.rows["row_number"], self.names.alias("instrument"), value.str.slice(0, LONGEST_SHOWN_VALUE).alias("value")]
        )
        return (
            rows.with_row_index(POSITION)
            .filter(mask)
            .select(
                payload_sha256=pl.lit(self._payload.sha256),
                row_number="row_number",
                instrument="instrument",
                reason=pl.lit(reason),
                column=pl.lit(self._labels.get(field, field)),
                value="value",
                is_row_kept=pl.lit(is_row_kept),
                **{POSITION: POSITION},
            )
        )

    def _refuse_values(self, mask: pl.Series, reason: str, field: str) -> None:
        if mask.any():
            self._refused_values.append((mask.fill_null(False), reason, field))

    def _column(self, field: str) -> pl.Series:
        if field not in self.rows.columns:
            self.warnings.append(f"column {field} is not in the file")
            return pl.Series(field, [None] * self.height, dtype=pl.String)
        cells = self.rows[field]
        if self._missing and cells.dtype == pl.String:
            return cells.set(cells.is_in(self._missing).fill_null(False), None)
        return cells


def _read_numbers(cells: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Cells as numbers, and which of them hold something that is none."""
    if cells.dtype == pl.String:
        numbers = cells.cast(pl.Float64, strict=False)
        if numbers.null_count() > cells.null_count():
            cell = pl.col(cells.name)
            plain = pl.when(cell.str.contains(THOUSANDS)).then(cell.str.replace_all(",", "")).otherwise(cell)
            numbers = cells.to_frame().select(plain.cast(pl.Float64, strict=False)).to_series()
        return numbers, cells.is_not_null() & (numbers.is_null() | numbers.is_nan())
    if cells.dtype.is_numeric():
        return cells.cast(pl.Float64).fill_nan(None), pl.repeat(False, cells.len(), eager=True)
    return pl.Series(cells.name, [None] * cells.len(), dtype=pl.Float64), cells.is_not_null()
