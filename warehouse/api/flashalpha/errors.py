"""Errors of the dialect: always an object with `error` and `message`, but for 401, as its clients expect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from warehouse.api.dialects import Reason, Refusal, utc_text


class ErrorBody(BaseModel):
    """What went wrong: a word for programs, a sentence for people."""

    error: str
    message: str


class UnauthorizedBody(BaseModel):
    """No key, or another than those of the server."""

    title: str
    status: int
    detail: str


class QuotaBody(BaseModel):
    """Too many requests in this minute."""

    status: str
    error: str
    message: str
    limit: int
    reset_at: str


class ApiError(Exception):
    """An error raised by an endpoint, with status and body."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": error, "message": message}


def invalid(parameter: str, message: str) -> ApiError:
    """An invalid parameter: 400."""
    return ApiError(400, CODES.get(parameter, f"invalid_{parameter}"), message)


def unknown_symbol(symbol: str) -> ApiError:
    """A symbol with no stored data: 404."""
    return ApiError(404, "symbol_not_found", f"No data for {symbol}.")


def no_data(message: str) -> ApiError:
    """A known symbol without data at that moment or for that expiration: 404."""
    return ApiError(404, "no_data", message)


def no_coverage(symbol: str) -> ApiError:
    """A coverage request for a symbol without any: 404."""
    return ApiError(404, "no_coverage", f"{symbol} was never stored.")


CODES = {"expiration": "invalid_expiry", "expiry": "invalid_expiry"}
_WORDS = {
    Reason.UNKNOWN_PATH: "not_found",
    Reason.METHOD_NOT_ALLOWED: "method_not_allowed",
    Reason.TOO_LARGE: "too_many_rows",
    Reason.TOO_LONG: "uri_too_long",
    Reason.TOO_MANY_HEADERS: "headers_too_large",
    Reason.INTERNAL: "internal_error",
    Reason.UNAVAILABLE: "unavailable",
    Reason.TOO_SLOW: "timeout",
}


def refuse(refusal: Refusal) -> Response:
    """A refusal by the server in this dialect's format."""
    if refusal.reason is Reason.UNAUTHORIZED:
        return JSONResponse({"title": "Unauthorized", "status": 401, "detail": refusal.message}, 401)
    if refusal.reason is Reason.BUSY and refusal.rate is not None:
        limit, _, reset_at = refusal.rate.spent
        details = {"message": refusal.message, "limit": limit, "reset_at": utc_text(reset_at)}
        return JSONResponse({"status": "ERROR", "error": "Quota exceeded", **details}, 429)
    return JSONResponse({"error": _WORDS[refusal.reason], "message": refusal.message}, refusal.reason.value)


def on_invalid(errors: Sequence[dict[str, Any]], _request_id: str) -> Response:
    """Validation errors: 400 with the name of the first invalid parameter."""
    location, parameter = errors[0]["loc"][0], str(errors[0]["loc"][-1])
    error = invalid(parameter, f"{location} parameter {parameter}: {errors[0]['msg']}.")
    return JSONResponse(error.body, error.status)


async def _on_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body, error.status)


EXCEPTION_HANDLERS = {ApiError: _on_error}
RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {
        "model": ErrorBody,
        "description": "A parameter cannot be read: invalid_expiry, invalid_at, invalid_min_oi, invalid_strike_range",
    },
    401: {"model": UnauthorizedBody, "description": "Keys are configured, and none of them was given"},
    404: {"model": ErrorBody, "description": "symbol_not_found, no_data, no_coverage"},
    405: {"model": ErrorBody, "description": "method_not_allowed"},
    413: {"model": ErrorBody, "description": "too_many_rows"},
    414: {"model": ErrorBody, "description": "uri_too_long"},
    429: {"model": QuotaBody, "description": "A rate limit is configured and used up; Retry-After says for how many seconds"},
    431: {"model": ErrorBody, "description": "headers_too_large"},
    500: {"model": ErrorBody, "description": "internal_error"},
    503: {"model": ErrorBody, "description": "unavailable: nothing is published, or it cannot be read"},
    504: {"model": ErrorBody, "description": "timeout"},
}
