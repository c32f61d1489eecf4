"""The interface of a dialect: its paths, routes and error responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from warehouse.api.server.keys import Rate


class Reason(Enum):
    """Why the server refuses a request, with its HTTP status, the same in every dialect."""

    UNAUTHORIZED = 401
    UNKNOWN_PATH = 404
    METHOD_NOT_ALLOWED = 405
    TOO_LARGE = 413
    TOO_LONG = 414
    BUSY = 429
    TOO_MANY_HEADERS = 431
    INTERNAL = 500
    UNAVAILABLE = 503
    TOO_SLOW = 504


@dataclass(frozen=True)
class Refusal:
    """A refusal that is not yet formatted by a dialect."""

    reason: Reason
    message: str
    request_id: str
    rate: Rate | None = None  # of 429


@dataclass(frozen=True)
class Dialect:
    """One family of paths with its own response bodies."""

    name: str
    prefixes: tuple[str, ...]
    routers: Sequence[APIRouter]
    refuse: Callable[[Refusal], Response]
    rate_headers: Callable[[Rate], Mapping[str, str]]
    exception_handlers: Mapping[Any, Any] = field(default_factory=dict)
    open_paths: frozenset[str] = frozenset()  # no key, no limit
    on_invalid: Callable[[Any, str], Response] | None = None  # validation errors of FastAPI: errors, request id

    def owns(self, path: str) -> bool:
        """Whether a path belongs to this dialect."""
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in self.prefixes)


def rate_limit_headers(rate: Rate) -> dict[str, str]:
    """Headers for the limit, the remaining requests and the reset time (Unix time)."""
    return {
        "X-RateLimit-Limit": "unlimited" if rate.limit is None else str(rate.limit),
        "X-RateLimit-Remaining": "unlimited" if rate.limit is None else str(rate.remaining),
        "X-RateLimit-Reset": str(int(rate.reset_at.timestamp())),
    }


def utc_text(instant: datetime) -> str:
    """Format an instant as ISO text in UTC with `Z`; naive instants are UTC."""
    return f"{instant:%Y-%m-%dT%H:%M:%S}Z"
