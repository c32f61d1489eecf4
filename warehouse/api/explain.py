"""/explain/{kind}/{underlying}: where a number comes from, with the keys of `strikehouse explain --json`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import Field, fields, replace
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import unquote

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from models.errors import UsageError
from warehouse.api import dependencies
from warehouse.api.dialects import Dialect, Reason, Refusal, rate_limit_headers
from warehouse.api.flashalpha.errors import ApiError
from warehouse.api.flashalpha.parameters import At, read_at
from warehouse.catalog.filters import Day, Instant, Names, meanings
from warehouse.explain.explanation import Explanation
from warehouse.explain.request import ExplainRequest, instant_of
from warehouse.home.paths import Home
from warehouse.read.json_values import json_value

MOST_SHOWN = 100
_BOUNDS: dict[str, dict[str, Any]] = {"strike": {"ge": 0, "allow_inf_nan": False}, "top": {"ge": 1, "le": MOST_SHOWN}}
_TEXT: dict[Any, Any] = dict.fromkeys((Instant | None, Day | None, Names | None), str | None)  # in Python → in a query
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


def _query(**given: Any) -> dict[str, Any]:
    """Parameters of the query: the fields of `ExplainRequest` that are not in the path."""
    return given


def _parameter(one: Field[Any], hint: Any) -> inspect.Parameter:
    query = Query(description=one.metadata["meaning"], **_BOUNDS.get(one.name, {}))
    return inspect.Parameter(
        one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=Annotated[_TEXT.get(hint, hint), query]
    )


_HINTS = get_type_hints(ExplainRequest)
_query.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [_parameter(one, _HINTS[one.name]) for one in fields(ExplainRequest) if one.name in meanings(ExplainRequest)]
)


@router.get("/{kind}/{underlying}", response_model=Explanation, summary="Where a number comes from")
def explain(
    request: Request,
    kind: Kind,
    underlying: Annotated[str, Path(description="In any case; `/` as `%2F`", examples=["SPX"])],
    given: Annotated[dict[str, Any], Depends(_query)],
    at: At = None,
) -> Response:
    """Definition, inputs, contracts and archived rows of a number, and what other conventions make of it; nothing is written."""
    request.state.endpoint = "/explain/{kind}/{underlying}"
    try:
        as_of = _moment(given["as_of"], at, dependencies.now_of(request))
        explain_request = ExplainRequest(kind, unquote(underlying).strip(), **given | {"as_of": as_of})
    except UsageError as error:
        raise ApiError(400, "invalid_question", str(error)) from error
    try:
        explanation = dependencies.warehouse(request).explain_request(explain_request)
    except UsageError as error:
        raise ApiError(404, "no_data", str(error)) from error
    request.state.may_keep = True
    home: Home = request.app.state.home
    return Response(orjson.dumps(_without_paths(explanation, home.root), default=json_value), media_type="application/json")


def _moment(as_of: str | None, at: str | None, now: datetime) -> str | None:
    """The requested instant, UTC; raises `UsageError` when two are given or it is in the future."""
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
    """Make paths relative to the home, so that its location is not exposed."""
    rows = tuple(row if row.problem is None else replace(row, problem=row.problem.replace(f"{root}/", "")) for row in explanation.raw)
    return replace(explanation, raw=rows)


def refuse(refusal: Refusal) -> Response:
    """A refusal by the server."""
    return JSONResponse({"error": _WORDS[refusal.reason], "message": refusal.message}, refusal.reason.value)


def on_invalid(errors: Sequence[dict[str, Any]], _request_id: str) -> Response:
    """Validation errors: 400 with the name of the first invalid parameter; 404 for an unknown kind."""
    location, parameter = errors[0]["loc"][0], str(errors[0]["loc"][-1])
    message = f"{location} parameter {parameter}: {errors[0]['msg']}."
    if parameter == "kind":
        return JSONResponse({"error": "not_found", "message": message}, 404)
    return JSONResponse({"error": f"invalid_{parameter}", "message": message}, 400)


def dialect() -> Dialect:
    """The explain paths as a dialect."""
    return Dialect(
        name="explain", prefixes=("/explain",), routers=(router,), refuse=refuse, rate_headers=rate_limit_headers, on_invalid=on_invalid
    )
