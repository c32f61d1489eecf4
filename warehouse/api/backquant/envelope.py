"""The envelope that every reply of this dialect has, good or bad."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from warehouse.api.dependencies import clock_of, now_of
from warehouse.api.server.keys import Rate

VERSION = "2.7"
Data = TypeVar("Data", bound=BaseModel)


class RateLimit(BaseModel):
    """How many requests are left in this minute."""

    limit: int
    remaining: int
    reset: int = Field(description="Unix time")


class Meta(BaseModel):
    """What a reply says of itself; keys without a value are left out."""

    version: str = Field(description="contract version, informational")
    timestamp: str = Field(description="when the reply was built: ISO, UTC, milliseconds")
    request_id: str | None = Field(default=None, description="as the header X-Request-ID")
    symbol: str | None = None
    spot_price: float | None = Field(default=None, description="spot of the venues in scope, USD")
    computed_at: str | None = Field(default=None, description="instant of the snapshot, UTC")
    freshness_seconds: float | None = Field(default=None, description="now - computed_at, at the time of reading")
    source: list[str] | None = Field(default=None, description="venues the data came through")
    exchanges_filtered: list[str] | None = Field(default=None, description="venues of exchanges= that were accepted")
    rate_limit: RateLimit | None = None
    extra: dict[str, Any] | None = None


class Envelope(BaseModel, Generic[Data]):
    """A success."""

    success: Literal[True]
    data: Data
    meta: Meta


class ErrorBody(BaseModel):
    """What went wrong."""

    code: Literal["UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND", "VALIDATION_ERROR", "RATE_LIMIT_EXCEEDED", "UPSTREAM_ERROR", "INTERNAL_ERROR"]
    message: str
    details: dict[str, Any] | None


class ErrorEnvelope(BaseModel):
    """A refusal."""

    success: Literal[False]
    error: ErrorBody
    meta: Meta


def request_id_of(request: Request) -> str:
    """The id of a request: the server's, else the caller's, else a new one."""
    known: str | None = getattr(request.state, "request_id", None)
    if known is None:
        given = request.headers.get("x-request-id", "")
        known = given if re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", given) else f"req_{secrets.token_hex(8)}"
        request.state.request_id = known
    return known


def instant_text(instant: datetime, *, timespec: str = "milliseconds") -> str:
    """An instant as this dialect writes it: ISO, UTC, `Z`; naive ones are UTC."""
    utc = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    return utc.isoformat(timespec=timespec).replace("+00:00", "Z")


def meta_of(request_id: str, now: datetime, **known: Any) -> dict[str, Any]:
    """`meta`, without the keys that have no value."""
    meta = {"version": VERSION, "timestamp": instant_text(now), "request_id": request_id, **known}
    return {name: value for name, value in meta.items() if value is not None}


def reply(request: Request, model: type[Data], data: Mapping[str, Any], **meta: Any) -> Response:
    """A success: `data` through its model, `meta` beside it.

    Of an answer that may be kept, `data` is kept for its generation; `meta` is told anew to each who asks.
    """
    now, request_id, app = now_of(request), request_id_of(request), request.app
    head = b'{"success":true,"data":' + model.model_validate(data).model_dump_json(exclude_unset=True).encode()
    since = datetime.fromisoformat(meta["computed_at"]) if "freshness_seconds" in meta else None

    def renewed(request_id: str, rate: Rate | None, at: datetime | None = None) -> bytes:
        at = clock_of(app)() if at is None else at
        meta_fields = meta if since is None else meta | {"freshness_seconds": (at - since).total_seconds()}
        if rate is not None and rate.limit is not None:
            meta_fields = meta_fields | {
                "rate_limit": {"limit": rate.limit, "remaining": rate.remaining, "reset": int(rate.reset_at.timestamp())}
            }
        text = Meta.model_validate(meta_of(request_id, at, **meta_fields)).model_dump_json(exclude_unset=True)
        return b',"meta":' + text.encode() + b"}"

    if getattr(request.state, "may_keep", False):
        request.state.head, request.state.renewed = head, renewed
    body = head + renewed(request_id, getattr(request.state, "rate", None), now)
    return Response(body, media_type="application/json", headers={"X-Request-ID": request_id})
