"""Faults of the document: what a venue might send that is well-formed HTTP and still wrong (kinds in `faults.py`)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from flows.demo.venues.faults import Fault
from flows.demo.venues.wire import Row, Wire

CONFLICT = 1.0  # by how much a conflicting duplicate's open interest differs


def damage(wire: Wire, body: bytes, faults: Sequence[Fault]) -> bytes:
    """The body of a good reply after all document faults, in order; the same bytes when none of them is one."""
    chosen = [fault for fault in faults if fault.kind in DAMAGES]
    if not chosen:
        return body
    document = orjson.loads(body)
    for fault in chosen:
        document = DAMAGES[fault.kind](wire, document, fault)
    if any(fault.kind == "string_nan" and fault["how"] == "bare" for fault in chosen):
        return json.dumps(document, separators=(",", ":")).encode()  # writes NaN as NaN, which orjson refuses to do
    return orjson.dumps(document)


def is_picked(name: str, fault: Fault) -> bool:
    """Whether a row belongs to the fault's share."""
    return zlib.crc32(f"{fault.kind} {name}".encode()) < float(fault["share"]) * 2**32


def _in_rows(change: Callable[[Wire, list[Row], Fault], None]) -> Callable[[Wire, Any, Fault], Any]:
    def apply(wire: Wire, document: Any, fault: Fault) -> Any:
        rows = wire.rows(document)
        if rows is not None:
            change(wire, rows, fault)
        return document

    return apply


def _picked(wire: Wire, rows: Iterable[Row], fault: Fault) -> list[Row]:
    return [row for row in rows if is_picked(str(row.get(wire.instrument)), fault)]


def _empty_chain(_wire: Wire, rows: list[Row], _fault: Fault) -> None:
    rows.clear()


def _half_chain(wire: Wire, rows: list[Row], fault: Fault) -> None:
    rows[:] = [row for row in rows if not is_picked(str(row.get(wire.instrument)), fault)]


def _one_side_gone(wire: Wire, rows: list[Row], fault: Fault) -> None:
    rows[:] = [row for row in rows if wire.option_type(row) != fault["side"]]


def _null_oi(wire: Wire, rows: list[Row], fault: Fault) -> None:
    for name in _interest(wire):
        _set(_picked(wire, rows, fault), name, wire.no_open_interest)


def _negative_oi(wire: Wire, rows: list[Row], fault: Fault) -> None:
    _change_interest(wire, _picked(wire, rows, fault), lambda value: -abs(value) - 1.0)


def _absurd_oi(wire: Wire, rows: list[Row], fault: Fault) -> None:
    _change_interest(wire, _picked(wire, rows, fault), lambda _value: float(fault["amount"]))


def _no_iv_no_price(wire: Wire, rows: list[Row], fault: Fault) -> None:
    for row in _picked(wire, rows, fault):
        row.update({name: nothing for name, nothing in wire.missing.items() if name in row})


def _string_nan(wire: Wire, rows: list[Row], fault: Fault) -> None:
    # The usual field has another name on each venue.
    for name in _interest(wire) if fault["field"] == "open_interest" else (fault["field"],):
        _set(_picked(wire, rows, fault), name, float("nan") if fault["how"] == "bare" else "NaN")


def _string_numbers(_wire: Wire, rows: list[Row], _fault: Fault) -> None:
    for row in rows:
        row.update({name: str(value) for name, value in row.items() if isinstance(value, int | float) and not isinstance(value, bool)})


def _duplicate_rows(wire: Wire, rows: list[Row], fault: Fault) -> None:
    again = [dict(row) for row in _picked(wire, rows, fault)]
    if fault["how"] == "conflict":
        _change_interest(wire, again, lambda value: value + CONFLICT)
    rows.extend(again)


def _drop_field(_wire: Wire, document: Any, fault: Fault) -> Any:
    return _rename(document, fault["field"], None)


def _rename_field(_wire: Wire, document: Any, fault: Fault) -> Any:
    return _rename(document, fault["field"], fault["new"])


def _clock_skew(wire: Wire, document: Any, fault: Fault) -> Any:
    wire.shift_clock(document, fault["seconds"])
    return document


def _rename(node: Any, old: str, new: str | None) -> Any:
    if isinstance(node, dict):
        return {new if name == old else name: _rename(value, old, new) for name, value in node.items() if name != old or new is not None}
    return [_rename(value, old, new) for value in node] if isinstance(node, list) else node


def _interest(wire: Wire) -> tuple[str, ...]:
    return (wire.open_interest, *wire.open_interest_too)


def _change_interest(wire: Wire, rows: Iterable[Row], change: Callable[[float], float]) -> None:
    """Other open interest, a number or its text as before."""
    for row in rows:
        for name in _interest(wire):
            if row.get(name) not in (None, ""):
                changed = change(float(row[name]))
                row[name] = str(changed) if isinstance(row[name], str) else changed


def _set(rows: Iterable[Row], name: str, value: Any) -> None:
    for row in rows:
        if name in row:
            row[name] = value


DAMAGES: dict[str, Callable[[Wire, Any, Fault], Any]] = {
    "empty_chain": _in_rows(_empty_chain),
    "half_chain": _in_rows(_half_chain),
    "one_side_gone": _in_rows(_one_side_gone),
    "null_oi": _in_rows(_null_oi),
    "negative_oi": _in_rows(_negative_oi),
    "absurd_oi": _in_rows(_absurd_oi),
    "no_iv_no_price": _in_rows(_no_iv_no_price),
    "string_nan": _in_rows(_string_nan),
    "string_numbers": _in_rows(_string_numbers),
    "duplicate_rows": _in_rows(_duplicate_rows),
    "drop_field": _drop_field,
    "rename_field": _rename_field,
    "clock_skew": _clock_skew,
}
