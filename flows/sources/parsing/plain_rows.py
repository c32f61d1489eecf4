"""Rows of a JSON reply read straight into columns, where the reply is as plain as a venue documents it.

To make a dictionary of each row and take it apart again costs three times as much as all else that is done with a row. A reply that is
not plain is left to those who look at every value: nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np
import orjson
import polars as pl

MARK = b'"\\u0001rows\\u0001"'  # stands for the rows while the rest of the document is read
BLOCK_BYTES = 1 << 18


class PlainRows(Sequence[Any]):
    """Objects that hold the same fields, each once: texts or null in those of type String, numbers or null in the others.

    `frame`: these rows as columns. As a sequence they are what a JSON decoder makes of them, decoded when first asked for.
    """

    def __init__(self, text: memoryview, frame: pl.DataFrame) -> None:
        self.frame = frame
        self._text = text

    def __len__(self) -> int:
        return self.frame.height

    def __getitem__(self, index: Any) -> Any:
        return self._decoded[index]

    @cached_property
    def _decoded(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = orjson.loads(self._text)
        return rows


def plain_document(body: bytes, path: tuple[str, str], fields: Mapping[str, type[pl.DataType]]) -> dict[str, Any] | None:
    """A JSON document whose rows, below two names, are `PlainRows` of these fields; None where they are anything else."""
    name = orjson.dumps(path[1]) + b":"
    start, end = body.find(name + b"[{") + len(name), body.rfind(b"}]") + 2
    if not len(name) <= start < end:
        return None
    around = body[:start], body[end:]
    try:
        document: Any = orjson.loads(MARK.join(around))
    except orjson.JSONDecodeError:
        return None
    holder = document.get(path[0]) if isinstance(document, dict) else None
    if not isinstance(holder, dict) or holder.get(path[1]) != orjson.loads(MARK) or any(MARK in part for part in around):
        return None
    rows = plain_rows(body, start, end, fields)
    if rows is None:
        return None
    return {**document, path[0]: {**holder, path[1]: rows}}


def plain_rows(body: bytes, start: int, end: int, fields: Mapping[str, type[pl.DataType]]) -> PlainRows | None:
    """The rows of a JSON array, which stands there in a reply; None where they are not plain, or may not be, as with escapes in a text.

    The reader of lines refuses what is no JSON object, and what is no number in a field of numbers. But it makes texts of other values,
    takes the first of two, and says nothing of fields that are missing or unknown. So rows with an escape or an array are not plain, an
    object in a row leaves a line that is none, and there is counted: null where nothing was found, colons (one for each field, the others
    in texts), quotation marks (two for each field and each text). These add up for plain rows alone.
    """
    lines, height = _as_lines(body, start, end)
    try:
        frame = pl.read_ndjson(lines, schema=fields) if height else None
    except pl.exceptions.PolarsError:
        return None
    if frame is None or frame.height != height:
        return None
    missing = {name: count for name, count in frame.null_count().row(0, named=True).items() if count}
    colons_in_texts = frame.select(pl.col(pl.String).str.count_matches(":", literal=True).sum()).row(0)
    texts = sum(column.count() for column in frame.iter_columns() if column.dtype == pl.String)
    value_count = height * len(fields)
    part = memoryview(body)[start:end]
    is_plain = (
        all(body.count(b'"%s":null' % name.encode(), start, end) == count for name, count in missing.items())
        and _count(part, ":") == value_count + sum(colons_in_texts)
        and _count(part, '"') == 2 * (value_count + texts)
    )
    return PlainRows(part, frame) if is_plain else None


def _as_lines(body: bytes, start: int, end: int) -> tuple[BytesIO, int]:
    """The objects of an array, one on each line, and how many; 0 where they are not plain to see."""
    lines = BytesIO(memoryview(body)[start + 1 : end - 1])
    if any(body.find(sign, start + 1, end) >= 0 for sign in (b"\\", b"\n", b"[")):
        return lines, 0
    with lines.getbuffer() as buffer:
        signs = np.frombuffer(buffer, np.uint8)
        closed = np.concatenate([np.flatnonzero(block == ord("}")) + offset for offset, block in _blocks(buffer)])
        commas = closed[:-1] + 1  # behind all rows but the last
        is_list = bool((signs[commas] == ord(",")).all())
        signs[commas] = ord("\n")
        del signs  # or the buffer cannot be released
    return lines, closed.size if is_list else 0


def _count(part: memoryview, sign: str) -> int:
    return sum(int(np.count_nonzero(block == ord(sign))) for _, block in _blocks(part))


def _blocks(part: memoryview) -> Iterator[tuple[int, np.ndarray[Any, np.dtype[np.uint8]]]]:
    """Parts of a text, with their places; what is compared of one stays in a processor's cache."""
    for offset in range(0, len(part), BLOCK_BYTES):
        yield offset, np.frombuffer(part[offset : offset + BLOCK_BYTES], np.uint8)
