"""Errors of this dialect: exceptions, response bodies, rate-limit headers and exception handlers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import Response

from models.errors import PublicationMissing, PublicationUnreadable
from warehouse.api.backquant.envelope import ErrorEnvelope, meta_of, request_id_of
from warehouse.api.dependencies import now_of
from warehouse.api.dialects import Refusal
from warehouse.api.server.keys import Rate

OPEN_PATHS = frozenset({"/v2/health", "/v2/openapi.json", "/v2/docs", "/v2/redoc"})  # no key is required
CODES = {
    400: "VALIDATION_ERROR",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "VALIDATION_ERROR",
    413: "VALIDATION_ERROR",
    414: "VALIDATION_ERROR",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMIT_EXCEEDED",
    431: "VALIDATION_ERROR",
    502: "UPSTREAM_ERROR",
    503: "UPSTREAM_ERROR",
    504: "UPSTREAM_ERROR",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorEnvelope, "description": CODES.get(status, "INTERNAL_ERROR")}
    for status in (400, 401, 404, 405, 413, 414, 422, 429, 431, 500, 503, 504)
}


class ApiError(Exception):
    """A refusal in this dialect's shape."""

    status = 500

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class NoData(ApiError):
    """No stored data for that symbol, expiry or instant."""

    status = 404


class Unavailable(ApiError):
    """The published file is missing or unreadable."""

    status = 503


class Invalid(ApiError):
    """Parameters that cannot be used; `errors` are `{type, loc, msg}`."""

    status = 422

    def __init__(self, errors: Sequence[Mapping[str, Any]]) -> None:
        shown = [{"type": one["type"], "loc": list(one["loc"]), "msg": one["msg"]} for one in errors]
        super().__init__("Invalid request parameters", {"errors": shown})


class InFuture(Invalid):
    """An `as_of` in the future."""

    status = 400


def invalid(name: str, kind: str, message: str) -> Invalid:
    """One query parameter that cannot be used."""
    return Invalid([{"type": kind, "loc": ["query", name], "msg": message}])


def error_response(
    status: int, message: str, request_id: str, *, now: datetime, details: Mapping[str, Any] | None = None, headers: Mapping[str, str] = {}
) -> Response:
    """An error in this dialect's envelope; its code follows from the status."""
    body = {
        "success": False,
        "error": {"code": CODES.get(status, "INTERNAL_ERROR"), "message": message, "details": details},
        "meta": meta_of(request_id, now),
    }
    text = json.dumps(body, separators=(",", ":"), default=str)
    return Response(text, status, {"X-Request-ID": request_id, **headers}, "application/json")


def refuse(refusal: Refusal) -> Response:
    """A refusal of the server itself: key, limit, unknown path, unreadable file, time-out, anything else."""
    status = int(refusal.reason.value)
    details, headers, message = None, {}, refusal.message
    if status == 401:
        message = "Invalid API key"
    if status == 429 and refusal.rate is not None:
        seconds = int(refusal.rate.retry_after_s)
        limit, period, _ = refusal.rate.spent
        details = {"retry_after_seconds": seconds, "limit": f"{limit} per 1 {period}"}
        headers = {"Retry-After": str(seconds)}
    return error_response(status, message, refusal.request_id, now=datetime.now(UTC), details=details, headers=headers)


def on_invalid(errors: Sequence[Mapping[str, Any]], request_id: str) -> Response:
    """Validation errors that FastAPI raises outside this dialect's routes."""
    return error_response(422, "Invalid request parameters", request_id, now=datetime.now(UTC), details=Invalid(errors).details)


def rate_headers(rate: Rate) -> dict[str, str]:
    """Headers of a caller's limits; none without a limit."""
    headers: dict[str, str] = {}
    if rate.limit is not None:
        headers |= {
            "X-RateLimit-Limit": str(rate.limit),
            "X-RateLimit-Remaining": str(rate.remaining),
            "X-RateLimit-Reset": str(int(rate.reset_at.timestamp())),
        }
    if rate.quota is not None:
        headers |= {
            "X-Quota-Limit": str(rate.quota.limit),
            "X-Quota-Used": str(rate.quota.used),
            "X-Quota-Remaining": str(rate.quota.limit - rate.quota.used),
            "X-Quota-Period": f"{rate.quota.period:%Y%m}",
        }
    return headers


async def on_api_error(request: Request, error: Exception) -> Response:
    """The body of a refusal that was raised while a request was answered."""
    assert isinstance(error, ApiError)
    return error_response(error.status, error.message, request_id_of(request), now=now_of(request), details=error.details)


exception_handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {ApiError: on_api_error}


class DialectRoute(APIRoute):
    """A route that returns errors in this dialect, in whatever application it is mounted."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint, with its errors turned into replies."""
        answer = super().get_route_handler()

        async def in_dialect(request: Request) -> Response:
            request.state.endpoint = self.path
            try:
                return await answer(request)
            except RequestValidationError as error:
                return await on_api_error(request, Invalid(error.errors()))
            except PublicationMissing:  # the original messages contain file paths of this machine
                return await on_api_error(request, Unavailable("Nothing is published yet"))
            except PublicationUnreadable:
                return await on_api_error(request, Unavailable("The published file cannot be read"))
            except ApiError as error:
                return await on_api_error(request, error)

        return in_dialect
