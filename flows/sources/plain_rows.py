"""Rows of a JSON reply read straight into columns, where the reply is as plain as a venue documents it.

To make a dictionary of each row and take it apart again costs three times as much as all else that is done with a row. A reply that is
not plain is left to those who look at every value: nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import orjson
import polars as pl

MARK = b'"\\u0001rows\\u0001"'  # stands for the rows while the rest of the document is read


class PlainRows(Sequence[Any]):
    """Objects that hold the same fields, each once: texts or null in those of type String, numbers or null in the others.

    `frame`: these rows as columns. As a sequence they are what a JSON decoder makes of them, decoded when first asked for.
    """

    def __init__(self, text: bytes, frame: pl.DataFrame) -> None:
        self.frame = frame
        self._text = text

    def __len__(self) -> int:
        return self.frame.height

    def __getitem__(self, place: Any) -> Any:
        return self._decoded[place]

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
    rows = plain_rows(body[start:end], fields)
    if rows is None:
        return None
    return {**document, path[0]: {**holder, path[1]: rows}}


def plain_rows(text: bytes, fields: Mapping[str, type[pl.DataType]]) -> PlainRows | None:
    """The rows of a JSON array of at least one object; None where they are not plain, or may not be, such as with escapes in a text.

    The reader of lines refuses what is no JSON object, and what is no number in a field of numbers. But it makes texts of other values,
    takes the first of two, and says nothing of fields that are missing or unknown. So rows with an escape or an array are not plain, an
    object in a row leaves a line that is none, and there is counted: null where nothing was found, colons (one for each field, the others
    in texts), quotation marks (two for each field and each text). These add up for plain rows alone.
    """
    signs = np.frombuffer(bytearray(text), np.uint8)[1:-1]
    ends = np.flatnonzero(signs == ord("}"))[:-1]  # of all rows but the last
    if b"\\" in text or b"\n" in text or text.find(b"[", 1) > 0 or not (signs[ends + 1] == ord(",")).all():
        return None
    colons, quotes = (np.count_nonzero(signs == ord(sign)) for sign in ':"')
    signs[ends + 1] = ord("\n")
    try:
        frame = pl.read_ndjson(signs.tobytes(), schema=fields)
    except pl.exceptions.PolarsError:
        return None
    texts = frame.select(pl.col(pl.String))
    missing = {name: count for name, count in frame.null_count().row(0, named=True).items() if count}
    held = frame.height * len(fields)
    is_plain = (
        frame.height == ends.size + 1
        and all(text.count(b'"%s":null' % name.encode()) == count for name, count in missing.items())
        and colons == held + texts.select(pl.all().str.count_matches(":", literal=True)).sum_horizontal().sum()
        and quotes == 2 * (held + sum(column.count() for column in texts))
    )
    return PlainRows(text, frame) if is_plain else None
