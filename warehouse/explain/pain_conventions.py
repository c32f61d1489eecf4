"""Max pain under other conventions of open interest: the SQL of `core.pain` and `core.pain_minimum`, run on other open interest."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import polars as pl

from warehouse.catalog.macros import localised
from warehouse.catalog.relations import all_relations
from warehouse.explain.chain import Chain, statement
from warehouse.explain.explanation import Alternative, Row
from warehouse.read.query import query_on

OURS = "ours"
_GIVEN = ("convention_series", "convention_strikes", "convention_scopes")
_NAMES = ("core__series", "core__oi_by_strike", "core__scopes")
_TAKEN = ("core.pain", "core.pain_minimum")


def ask_conventions(chain: Chain, name: Literal["pain_minima", "pain_points"], **parameters: Any) -> pl.DataFrame:
    """Rows of a query of sql/explain over the pain of every convention."""
    sql = {one.name: one.sql for one in all_relations() if one.name in _TAKEN}
    parts = [f"oi_by_convention as (\n{statement('oi_by_convention')}\n)"]
    parts += [f"{inner} as (\n{statement(file)}\n)" for inner, file in zip(_NAMES, _GIVEN, strict=True)]
    parts += [f"{one.replace('.', '__')} as (\n{localised(one, sql[one])}\n)" for one in _TAKEN]
    question = chain.question
    given = {
        "id": chain.facts.snapshot_id, "venues": chain.venues, "spot": chain.facts.spot, "expiry": question.expiry,
        "expires_at": question.expires_at,
    }  # fmt: skip
    chained = ",\n".join(parts)
    used = {key: value for key, value in (given | parameters).items() if f"${key}" in chained + statement(name)}
    return query_on(chain.con, f"with {chained}\n{statement(name)}", used)


def alternatives(chain: Chain, minima: pl.DataFrame) -> tuple[Alternative, ...]:
    """Max pain by each convention that counts other open interest; `minima`: the rows of pain_minima."""
    by_convention = {row["convention"]: row for row in minima.rows(named=True)}
    is_pooled = chain.question.expiry is None and chain.question.expires_at is None
    has_adjusted = bool(chain.contracts["is_adjusted"].any())
    alone = {prefix: [name for name in by_convention if name.startswith(f"{prefix} ")] for prefix in ("root", "venue", "instant")}

    def alternative(name: str, about: str, meaning: str, *, convention: str | None = None) -> Alternative:
        return Alternative(convention or name.replace(" ", "-"), about, meaning, by_convention[name]["max_pain_strike"], "USD")

    pooled = "over every live expiry together, which is no settlement event: FlashAlpha's max pain when no expiration is asked for"
    dated = "the instants of the date pooled before pain is computed, as both dialects do"
    lines = [
        alternative(
            "reversed", "definition", "both legs reversed, as one published glossary prints the formula: a call pays below its strike"
        ),
        alternative("contracts", "unit", "open interest in contracts instead of units of the underlying"),
    ]
    if is_pooled:
        lines += [Alternative("flashalpha", "definition", pooled, by_convention[OURS]["max_pain_strike"], "USD"), _by_expiry(chain)]
    else:
        lines += [
            alternative("date", "time", f"FlashAlpha: {dated}", convention="flashalpha"),
            alternative("date", "time", f"BackQuant: {dated}", convention="backquant"),
            alternative("pooled", "scope", pooled),
        ]
    for prefix, what in (("root", "of one option class alone"), ("venue", "of one venue alone"), ("instant", "of one settlement alone")):
        if len(alone[prefix]) > 1 and not (prefix == "instant" and is_pooled):
            lines += [alternative(name, "scope", f"{what}: {name.split(' ', 1)[1]}") for name in alone[prefix]]
    if has_adjusted:
        lines.append(alternative("adjusted", "scope", "with adjusted contracts, whose deliverable is not standard"))
    return (*lines, *_not_stored(chain))


def instants(minima: pl.DataFrame) -> list[Row]:
    """Each settlement instant's own max pain, for a date with several."""
    return [
        {"expires_at": datetime.fromisoformat(row["convention"].split(" ")[1]), **{name: row[name] for name in row if name != "convention"}}
        for row in minima.rows(named=True)
        if row["convention"].startswith("instant ")
    ]


def _by_expiry(chain: Chain) -> Alternative:
    front = chain.macro("max_pain").row(0, named=True)
    meaning = f"BackQuant gives every expiry its own and pools none; the first settles at {front['expires_at']} UTC"
    return Alternative("backquant", "definition", meaning, front["max_pain_strike"], "USD")


def _not_stored(chain: Chain) -> tuple[Alternative, ...]:
    facts = chain.facts
    age = f"open interest of {facts.oi_as_of}, quotes of {facts.session_date}; a source that has loaded a later or earlier one differs"
    return (
        Alternative("other-day", "time", age, None),
        Alternative("no-sign", "sign", "max pain assumes nothing of who holds the positions: the scenario cannot be the reason", None),
    )
