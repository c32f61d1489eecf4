"""The entry point of all kinds of explanation; the command line, Python and HTTP call it."""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from models.errors import UsageError
from warehouse.explain.chain import Chain, open_chain
from warehouse.explain.explanation import Explanation
from warehouse.explain.kinds import gex, iv, level, max_pain, pin_score
from warehouse.explain.request import ExplainRequest
from warehouse.home.paths import Home

_EXPLAIN: dict[str, Callable[[Chain], Explanation]] = {
    "max-pain": max_pain.explain,
    "gex": gex.explain,
    "level": level.explain,
    "pin-score": pin_score.explain,
    "iv": iv.explain,
}


def explain(con: duckdb.DuckDBPyConnection, home: Home, request: ExplainRequest) -> Explanation:
    """The explanation of one number, from an open publication and the archive of its home, which is only read.

    Raises `UsageError` for an underlying, moment, venue, expiry, strike or convention that does not exist.
    """
    explanation = _EXPLAIN[request.kind](open_chain(con, home, request))
    if request.definition is not None and not explanation.requested_alternatives:
        known = ", ".join(dict.fromkeys(one.convention for one in explanation.alternatives))
        raise UsageError(f"{request.kind} knows no definition {request.definition!r} here. Known: {known}.")
    return explanation
