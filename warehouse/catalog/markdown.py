"""Tables in Markdown, for generated pages and run reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def markdown_table(head: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Format a Markdown table; None is an empty cell, Markdown syntax is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: Any) -> str:
    return "" if value is None else " ".join(str(value).splitlines()).replace("|", "\\|").replace("<", "\\<")
