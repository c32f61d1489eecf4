"""One function for every kind of explanation; the command line, Python and HTTP call it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime

import duckdb

from models.errors import UsageError
from warehouse.explain.chain import Chain, open_chain
from warehouse.explain.explanation import Explanation
from warehouse.explain.kinds import gex, iv, level, max_pain, pin_score
from warehouse.explain.request import Question, expiry_of, instant_of
from warehouse.home.paths import Home

_EXPLAIN: dict[str, Callable[[Chain], Explanation]] = {
    "max-pain": max_pain.explain,
    "gex": gex.explain,
    "level": level.explain,
    "pin-score": pin_score.explain,
    "iv": iv.explain,
}


def explain(con: duckdb.DuckDBPyConnection, home: Home, question: Question) -> Explanation:
    """The explanation of one number, from an open publication and the archive of its home, which is only read.

    Raises `UsageError` for an underlying, moment, venue, expiry, strike or convention that is not there.
    """
    explanation = _EXPLAIN[question.kind](open_chain(con, home, question))
    if question.definition is not None and not explanation.requested_alternatives:
        known = ", ".join(dict.fromkeys(one.convention for one in explanation.alternatives))
        raise UsageError(f"{question.kind} knows no definition {question.definition!r} here. Known: {known}.")
    return explanation


def question(
    kind: str,
    underlying: str,
    *,
    expiry: date | str | None = None,
    expires_at: datetime | date | str | None = None,
    strike: float | None = None,
    level: str | None = None,
    zero_dte: bool = False,
    instrument: str | None = None,
    as_of: datetime | date | str | None = None,
    venues: str | Sequence[str] | None = None,
    definition: str | None = None,
    top: int = 5,
) -> Question:
    """A question with dates and venues in any of the forms that Python callers use; raises `UsageError`."""
    names = re.split(r"[^a-z]+", venues.lower()) if isinstance(venues, str) else [one.lower() for one in venues or []]
    return Question(
        kind.replace("_", "-"), underlying.upper(),
        expiry=expiry_of(expiry) if isinstance(expiry, str) else expiry,
        expires_at=None if expires_at is None else instant_of(str(expires_at)),
        strike=strike, level=level.replace("-", "_") if level else None, zero_dte=zero_dte, instrument=instrument,
        as_of=None if as_of is None else instant_of(str(as_of)),
        venues=[one for one in names if one] or None, definition=definition, top=top,
    )  # fmt: skip
