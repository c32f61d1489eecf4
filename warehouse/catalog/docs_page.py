"""docs/tables.md, generated: every table with its key, columns, types, units and meanings; every macro; every check.

`python -m warehouse.catalog.docs_page` writes this page and docs/settings.md, `--check` fails when a page is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

import dataframely as dy

from models.contracts.registry import PUBLISHED, VIEWS
from warehouse.catalog import ddl
from warehouse.catalog.checks import all_checks
from warehouse.catalog.filters import CalendarFilters, macro_arguments, meanings
from warehouse.catalog.macros import MACROS, QUERIES
from warehouse.catalog.markdown import markdown_table
from warehouse.catalog.public_relations import latest_name, marts
from warehouse.catalog.relations import SQL_FOLDER
from warehouse.catalog.settings_page import settings_page

_DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = _DOCS / "tables.md"
SETTINGS_PAGE = _DOCS / "settings.md"
SCHEMAS = {
    "core": "What was captured, and what the models make of it.",
    "marts": "What analysts read. Sign convention: scenario `std` of `core.sign_scenarios`, calls +1, puts −1.",
    "ops": "What ran, what was fetched, what was refused and why, what was checked. Not part of `rebuild --verify`.",
}
UNDERLYING = "required: `'SPX'`, in any case"


def page() -> str:
    """The whole page."""
    parts = [_HEAD, *(_schema(schema, what) for schema, what in SCHEMAS.items()), _latest(), _macros(), _checks()]
    return "\n\n".join(parts) + "\n"


_HEAD = """# Tables

Generated from the contracts in `models/*_tables.py` by `make docs`; the same texts are comments in the database (`duckdb_columns()`).

Times are `TIMESTAMP` in UTC. Unit `base` is one unit of the underlying: a coin, or a share (US contracts × 100). `null` is \
"not measured", `0` is "measured and zero". Formulas: [formulas.md](formulas.md). Queries: [queries.md](queries.md)."""


def _schema(schema: str, what: str) -> str:
    names = [name for name in PUBLISHED if name.startswith(f"{schema}.")]
    return "\n\n".join([f"## Schema `{schema}`\n\n{what}", *(_table(name, PUBLISHED[name]) for name in names)])


def _table(name: str, contract: type[dy.Schema]) -> str:
    file = f"{name.replace('.', '/')}.sql"
    sql = SQL_FOLDER / ("views" if name in VIEWS else "") / file
    facts = [ddl.summary(contract)]
    if contract.primary_key():
        facts.append(f"Key: {', '.join(f'`{column}`' for column in contract.primary_key())}.")
    if sql.exists():
        path = f"sql/{sql.relative_to(SQL_FOLDER).as_posix()}"
        facts.append(f"Computed by [`{path}`](../{path}).")
    rows = [
        (f"`{column}`", ddl.sql_type(one), "yes" if one.nullable else "", (one.metadata or {}).get("unit", ""), one.description or "")
        for column, one in contract.columns().items()
    ]
    return f"### `{name}`\n\n{' '.join(facts)}\n\n" + markdown_table(("column", "type", "null", "unit", "meaning"), rows)


def _latest() -> str:
    views = "\n".join(f"* `{latest_name(name)}`: `{name}`" for name in marts())
    return (
        "## Schema `latest`\n\nViews with the columns of a mart, and only the rows of each underlying's newest snapshot with a usable "
        "venue. `latest.snapshots` lists these snapshots; its `status` and `venues_missing` tell what is not there.\n\n"
        f"{views}"
    )


def _macros() -> str:
    rows = [(f"`{macro}(…)`", f"`{mart}`", what) for macro, (mart, what) in MACROS.items()]
    own = [f"* `{macro}({', '.join(arguments)})`: {what[0].lower()}{what[1:]}." for macro, (arguments, what) in QUERIES.items()]
    optional = zip(macro_arguments(CalendarFilters), meanings(CalendarFilters).values(), strict=True)
    arguments = [("`underlying`", UNDERLYING), *((f"`{argument}`", meaning) for argument, meaning in optional)]
    return (
        "## Table macros\n\nA mart for one underlying, computed again for the moment, venues, expiries and strikes asked for: filters "
        "apply before levels and minima. Call one like a table: `from max_pain('SPX', dte_max := 30)`. All take the same arguments.\n\n"
        + markdown_table(("macro", "columns as", "gives"), rows)
        + "\n\n"
        + markdown_table(("argument", "meaning"), arguments)
        + "\n\nWith arguments of its own:\n\n"
        + "\n".join(own)
    )


def _checks() -> str:
    rows = [(f"[`{one.name}`](../sql/checks/{one.name}.sql)", one.severity, one.scope, one.why) for one in all_checks()]
    return (
        "## Checks\n\nEach is a query that returns the offending rows. A required one of scope `snapshot-venue` sets that venue of that "
        "snapshot aside and the rest is published (exit code 4); one of scope `structure` holds the publication back. Findings are in "
        "`ops.check_results`.\n\n" + markdown_table(("check", "severity", "scope", "fails when"), rows)
    )


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` compare; returns the exit code."""
    pages = {PAGE: page(), SETTINGS_PAGE: settings_page()}
    if "--check" not in arguments:
        for file, text in pages.items():
            file.write_text(text, encoding="utf-8")
        return 0
    stale = [file for file, text in pages.items() if not file.exists() or file.read_text(encoding="utf-8") != text]
    for file in stale:
        print(f"docs/{file.name} is stale: run make docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
