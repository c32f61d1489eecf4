"""Joins the replies of a crypto venue into contracts: what is listed, its open interest, its quotes.

A contract stands in the chain when it is held (a row with open interest) or listed; its row is the first of these. What the list does
not say is read from the name. Rows that are refused never come back by way of another reply.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import polars as pl

from flows.sources.parsing.columns import FIRST_MS, LAST_MS, Columns, is_numeric, rejected_table
from flows.sources.source import Source, unexpected
from models.chain import ParsedChain, RawPayload

SETTLES_AT = time(8)  # UTC, every crypto venue, no holiday shift
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ORIGIN = ("row", "part", "payload_sha256", "row_number")


def own_rows(payload: RawPayload, rows: Sequence[Any], *, key: str, documented: frozenset[str], starts: str) -> Columns:
    """The rows of a reply whose names start so; a row that names nobody is everybody's, so that it is refused somewhere."""
    names = [row.get(key) if isinstance(row, dict) else None for row in rows]
    row_numbers = [number for number, name in enumerate(names) if not isinstance(name, str) or name.startswith(starts) or not name.strip()]
    own = Columns(
        payload, [rows[number] for number in row_numbers], key=key, documented=documented, row_numbers=row_numbers, numbers_are_text=True
    )
    if key in own.gone_fields:
        raise unexpected(payload, f"no row has the field {key}")
    return own


class Stack:
    """The rows of several replies of one kind (pages, expiries) as one table; a refusal goes to the reply that holds the row.

    `parts`: each reply with the columns that are wanted of it, the same of every one. `derived`: columns made of these.
    """

    def __init__(self, parts: Sequence[tuple[Columns, Sequence[pl.Series]]], *, key: str, **derived: pl.Expr) -> None:
        self.columns = [columns for columns, _ in parts]
        self._key = key
        self._derived = derived
        numbers = [pl.Series("part", [part]).new_from_index(0, columns.height) for part, columns in enumerate(self.columns)]
        self._tables = [columns.table([*series, number]) for (columns, series), number in zip(parts, numbers, strict=True)]
        self.names = pl.concat([columns.names for columns in self.columns])

    def refuse(self, rows: pl.DataFrame, reason: str, field: str | None = None) -> None:
        """Refuses rows of a table made of these, told by its `part` and `row`."""
        for part, row in zip(rows["part"], rows["row"], strict=True):
            self.columns[part].refuse_rows([row], reason, field or self._key)

    def accepted(self) -> pl.DataFrame:
        """The rows that were not refused, each contract once: of several the first in the first reply."""
        for columns in self.columns:
            columns.refuse_duplicates()
        rows = pl.concat([columns.accepted(table) for columns, table in zip(self.columns, self._tables, strict=True)])
        if rows["instrument"].n_unique() < rows.height:
            is_first = pl.col("instrument").is_first_distinct()
            self.refuse(rows.filter(~is_first), "duplicate")
            rows = rows.filter(is_first)
        return rows.with_columns(**self._derived) if self._derived else rows


def contracts(interest_rows: Stack, listed: Stack, name: str, *, is_waiting: pl.Expr) -> pl.DataFrame:
    """Contracts, those that are held first, with option_type, strike, expires_at and the columns of both stacks.

    `listed` has side (C, P or null), strike and settles_at; where they are missing the name tells: `name` is its pattern with
    the groups k, cp and either ymd or d, mon, yy. `is_waiting`: listed for later; such an instrument is no contract until it is held.
    """
    terms = listed.accepted()
    with_interest = _with_terms(
        interest_rows.accepted().join(terms.drop(ORIGIN), on="instrument", how="left", maintain_order="left"), interest_rows, name
    )
    others = terms.filter(~pl.col("instrument").is_in(interest_rows.names.implode())).with_columns(is_waiting=is_waiting.fill_null(False))
    waiting = Counter(others.filter("is_waiting")["part"].to_list())
    for part, columns in enumerate(listed.columns):
        columns.note(waiting[part], "instruments are listed for later and are no contracts yet")
    rest = others.filter(~pl.col("is_waiting")).drop("is_waiting")
    return with_interest if rest.is_empty() else pl.concat([with_interest, _with_terms(rest, listed, name)], how="diagonal")


def join_reply(rows: pl.DataFrame, quoted: Columns, values: Sequence[pl.Series], known: pl.Series) -> pl.DataFrame:
    """Rows of contracts with columns of another reply; what that reply says of contracts that no list knows is counted."""
    quoted.refuse_duplicates()
    table = quoted.accepted(quoted.table(values))[["instrument", *(column.name for column in values)]]
    unknown = table.select((~pl.col("instrument").is_in(known.implode())).sum()).item()
    quoted.note(unknown, "rows are of contracts that are not listed")
    return rows.join(table, on="instrument", how="left", maintain_order="left")


def crypto_chain(
    source: Source,
    underlying: str,
    *,
    instant: datetime,
    spot: float | None,
    used: Sequence[RawPayload],
    parts: Sequence[Columns],
    quotes: pl.DataFrame,
    notes: Sequence[str] = (),
) -> ParsedChain:
    """The chain of one underlying: `used` are the replies it was read from, `parts` their rows."""
    unknown: Counter[str] = Counter()
    for part in parts:
        unknown.update(part.unknown_fields)
    return ParsedChain(
        underlying=underlying,
        venue=source.name,
        market=source.market,
        venue_instant=instant,
        received_at=max(payload.received_at for payload in used),
        session_date=None,
        spot=spot,
        spot_source="index" if spot is not None else None,
        spot_current=None,
        spot_close=None,
        prev_day_close=None,
        quotes=quotes,
        rejected=rejected_table([part.rejected() for part in parts]),
        warnings=(*(note for part in parts for note in part.warnings), *notes),
        unknown_fields=dict(sorted(unknown.items())),
    )


def instant_in(value: Any) -> datetime | None:
    """The instant of milliseconds since 1970, a number or its text; None when it is none of this century."""
    ms = int(float(value)) if isinstance(value, str) and is_numeric(value) and len(value) < 20 else value
    is_instant = isinstance(ms, int) and not isinstance(ms, bool) and FIRST_MS <= ms <= LAST_MS
    return EPOCH + timedelta(milliseconds=ms) if is_instant else None


def _with_terms(rows: pl.DataFrame, stack: Stack, name: str) -> pl.DataFrame:
    """Rows with option_type, strike and expires_at; refuses those that neither fields nor name tell."""
    terms = ("option_type", "strike", "expires_at")
    filled = rows.with_columns(option_type="side", strike=pl.when(pl.col("strike") > 0).then("strike"), expires_at="settles_at")
    if not any(filled[term].null_count() for term in terms):
        return filled
    is_to_be_read = pl.any_horizontal(pl.col(terms).is_null())
    group = pl.when(is_to_be_read).then("instrument").str.extract_groups(name).struct.field
    if "<ymd>" in name:
        day = ("20" + group("ymd")).str.to_date("%Y%m%d", strict=False)
    else:
        day = (group("d").str.zfill(2) + group("mon") + "20" + group("yy")).str.to_date("%d%b%Y", strict=False)
    filled = filled.with_columns(
        pl.coalesce("option_type", group("cp")),
        pl.coalesce("strike", group("k").cast(pl.Float64)),
        pl.coalesce("expires_at", day.dt.combine(SETTLES_AT)),
    )
    is_complete = pl.all_horizontal(pl.col(terms).is_not_null()) & (pl.col("strike") > 0)
    incomplete = filled.filter(~is_complete)
    stack.refuse(incomplete, "bad_name")
    return filled if incomplete.is_empty() else filled.filter(is_complete)
