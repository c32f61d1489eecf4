"""An explanation as text: the number, what it is made of, the rows behind it, and why another source may differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from flows.cli.printing.table import print_json, text_table

if TYPE_CHECKING:
    from warehouse.explain.explanation import Alternative, Explanation, Number, RawRow, Scope

LONGEST_ROW = 400  # characters of an archived row; the JSON has all of it
WHOLE = 1000  # from here on two decimals are enough


def print_explanation(explanation: Explanation, *, json: bool) -> None:
    """The whole explanation, for people or as JSON."""
    if json:
        print_json(explanation)
        return
    print(f"{explanation.title}\n\n{_line(explanation.number)}")
    print(f"\nDefinition ({explanation.definition.section})\n  {explanation.definition.formula}")
    print(f"  Sign scenario: {explanation.definition.signs or 'none, the number assumes nothing of who holds the positions'}")
    print("\nScope")
    for line in _scope_lines(explanation.scope):
        print(f"  {line}")
    if explanation.requested_alternatives:
        print(f"\nBy the definition {explanation.asked_definition} instead")
        print_alternatives(explanation.requested_alternatives)
    print("\nMade of")
    for number in explanation.inputs:
        print(f"  {_line(number)}")
    for table in explanation.tables:
        print(f"\n{table.title}")
        _print_rows(table.rows)
    print("\nContracts that carry most of it")
    _print_rows(explanation.contracts)
    print("\nArchived rows, as they arrived (files are under raw/)")
    for row in explanation.raw:
        for line in _raw_lines(row):
            print(f"  {line}")
    print("\nWhy another source may differ")
    print_alternatives(explanation.alternatives)


def print_alternatives(explanation: Iterable[Alternative]) -> None:
    """A line per convention: what it is about, its name, its value, its meaning."""
    for one in explanation:
        value = f"{cell(one.value)} {one.unit}" if one.unit is not None else "not computed"
        print(f"  {one.about:<10}  {one.convention:<18}  {value}: {one.meaning}")


def cell(value: Any) -> str:
    """A value with as many digits as a reader needs."""
    if isinstance(value, bool) or value is None:
        return "null" if value is None else "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) >= WHOLE else f"{value:.6g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _line(number: Number) -> str:
    text = f"{number.name} = {cell(number.value)}{f' {number.unit}' if number.unit else ''}"
    return f"{text} ({number.note})" if number.note else text


def _print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows as a table, numbers to the right; what no row has is left blank."""
    if not rows:
        print("  none")
        return
    names = list(rows[0])
    texts = [["" if row[name] is None else cell(row[name]) for name in names] for row in rows]
    is_number = [any(isinstance(row[name], int | float | Decimal) and not isinstance(row[name], bool) for row in rows) for name in names]
    print(text_table(names, texts, is_number, indent="  "))


def _scope_lines(scope: Scope) -> Iterable[str]:
    captured = f"{scope.captured_at:%Y-%m-%d %H:%M:%S} UTC"
    yield f"snapshot {scope.snapshot_id} of generation {scope.generation}: captured {captured}, {scope.status}"
    yield f"session {scope.session_date}, open interest of {scope.oi_as_of or 'unknown date'}, spot {cell(scope.spot)} USD"
    yield f"venues {scope.venues.replace(',', ', ')} (scope {scope.scope_venue}); {scope.expiries}"
    for one in scope.sources:
        state = f"spot {cell(one.spot)} ({one.spot_source})" if one.status == "ok" else f"{one.status}: {one.error}"
        when = f"{one.captured_at:%Y-%m-%d %H:%M:%S} UTC" if one.captured_at else "no instant"
        yield f"{one.venue}: {when}, {state}, {one.origin}, run {one.run_id}"


def _raw_lines(row: RawRow) -> Iterable[str]:
    name = f"{row.venue} {row.instrument}"
    if row.problem is not None:
        yield f"{name}: {row.problem} ({row.file or 'no file'}, sha256 {row.sha256})"
        return
    text = row.row if isinstance(row.row, str) else orjson.dumps(row.row, default=str).decode()
    yield f"{name}: {row.file}, {row.place}, sha256 {row.sha256}"
    yield f"    {text if len(text) <= LONGEST_ROW else text[:LONGEST_ROW] + ' …'}"
