"""/explain/{kind}/{underlying}: where a number comes from, with the keys of `strikehouse explain --json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal
from urllib.parse import unquote

import orjson
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from models.errors import UsageError
from warehouse.api import dependencies
from warehouse.api.dialects import Dialect, Reason, Refusal, rate_limit_headers
from warehouse.api.flashalpha.errors import ApiError
from warehouse.api.flashalpha.parameters import At, read_at
from warehouse.explain.dispatch import question
from warehouse.explain.explanation import Explanation
from warehouse.explain.request import LEVELS, instant_of
from warehouse.home.paths import Home
from warehouse.read.json_values import json_value

MOST_SHOWN = 100
AsOf = Annotated[str | None, Query(description="The newest snapshot at or before this instant: ISO 8601, UTC without an offset")]
Kind = Literal["max-pain", "gex", "level", "pin-score", "iv"]
_WORDS = {
    Reason.UNAUTHORIZED: "unauthorized",
    Reason.UNKNOWN_PATH: "not_found",
    Reason.METHOD_NOT_ALLOWED: "method_not_allowed",
    Reason.TOO_LARGE: "too_many_rows",
    Reason.TOO_LONG: "uri_too_long",
    Reason.TOO_MANY_HEADERS: "headers_too_large",
    Reason.BUSY: "rate_limited",
    Reason.INTERNAL: "internal_error",
    Reason.UNAVAILABLE: "unavailable",
    Reason.TOO_SLOW: "timeout",
}


class Refused(BaseModel):
    """What went wrong: a word for programs, a sentence for people."""

    error: str
    message: str


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused, "description": description}
    for status, description in {
        400: "invalid_…: a parameter that cannot be read, or that this kind does not take",
        401: "unauthorized",
        404: "no_data: an underlying, moment, venue, expiry, strike or convention that is not there",
        405: "method_not_allowed",
        414: "uri_too_long",
        429: "rate_limited",
        431: "headers_too_large",
        500: "internal_error",
        503: "unavailable",
        504: "timeout",
    }.items()
}
router = APIRouter(prefix="/explain", tags=["explain"], responses=RESPONSES)


@router.get("/{kind}/{underlying}", response_model=Explanation, summary="Where a number comes from")
def explain(
    request: Request,
    kind: Kind,
    underlying: Annotated[str, Path(description="In any case; `/` as `%2F`", examples=["SPX"])],
    expiry: Annotated[str | None, Query(description="Date; its settlement instants are pooled", examples=["2026-08-21"])] = None,
    expires_at: Annotated[str | None, Query(description="One settlement instant, UTC")] = None,
    strike: Annotated[float | None, Query(ge=0, allow_inf_nan=False, description="of gex and iv")] = None,
    level: Annotated[str | None, Query(description=f"of level: one of {', '.join(LEVELS)}")] = None,
    zero_dte: Annotated[bool, Query(description="of level: the profile of 0DTE")] = False,
    instrument: Annotated[str | None, Query(description="of iv, as its venue calls it")] = None,
    venues: Annotated[str | None, Query(description="comma-separated; default: all")] = None,
    definition: Annotated[str | None, Query(description="repeats an alternative: flashalpha, backquant, reversed …")] = None,
    top: Annotated[int, Query(ge=1, le=MOST_SHOWN, description="So many strikes and contracts")] = 5,
    as_of: AsOf = None,
    at: At = None,
) -> Response:  # fmt: skip
    """Definition, inputs, contracts and archived rows of a number, and what other conventions make of it; nothing is written."""
    request.state.endpoint = "/explain/{kind}/{underlying}"
    try:
        explain_request = question(
            kind, unquote(underlying).strip(), expiry=expiry, expires_at=expires_at, strike=strike, level=level, zero_dte=zero_dte,
            instrument=instrument, as_of=_moment(as_of, at, dependencies.now_of(request)), venues=venues, definition=definition, top=top,
        )  # fmt: skip
    except UsageError as error:
        raise ApiError(400, "invalid_question", str(error)) from error
    try:
        explanation = dependencies.warehouse(request).explain_question(explain_request)
    except UsageError as error:
        raise ApiError(404, "no_data", str(error)) from error
    request.state.may_keep = True
    home: Home = request.app.state.home
    return Response(orjson.dumps(_without_paths(explanation, home.root), default=json_value), media_type="application/json")


def _moment(as_of: str | None, at: str | None, now: datetime) -> str | None:
    """The moment asked for, UTC; raises `UsageError` for two of them or one that has not come yet."""
    if as_of is not None and at is not None:
        raise UsageError("Name as_of (UTC) or at (New York time), not both.")
    if at is not None:
        instant = read_at(at, now)
        return None if instant is None else instant.isoformat()
    if as_of is None:
        return None
    moment = instant_of(as_of)
    if datetime.fromisoformat(moment) > now.astimezone(UTC).replace(tzinfo=None):
        raise ApiError(400, "invalid_as_of", f"as_of lies in the future: {moment}Z.")
    return moment


def _without_paths(explanation: Explanation, root: FilePath) -> Explanation:
    """The same with paths below the home: where the home lies is nobody's business out there."""
    rows = tuple(row if row.problem is None else replace(row, problem=row.problem.replace(f"{root}/", "")) for row in explanation.raw)
    return replace(explanation, raw=rows)


def refuse(refusal: Refusal) -> Response:
    """A refusal of the server."""
    return JSONResponse({"error": _WORDS[refusal.reason], "message": refusal.message}, refusal.reason.value)


def on_invalid(errors: Sequence[dict[str, Any]], _request_id: str) -> Response:
    """Parameters that do not have their declared form: 400, named after the first of them; a kind that there is not: 404."""
    location, parameter = errors[0]["loc"][0], str(errors[0]["loc"][-1])
    message = f"{location} parameter {parameter}: {errors[0]['msg']}."
    if parameter == "kind":
        return JSONResponse({"error": "not_found", "message": message}, 404)
    return JSONResponse({"error": f"invalid_{parameter}", "message": message}, 400)


def dialect() -> Dialect:
    """What the server needs to know of it."""
    return Dialect(
        name="explain", prefixes=("/explain",), routers=(router,), refuse=refuse, rate_headers=rate_limit_headers, on_invalid=on_invalid
    )
