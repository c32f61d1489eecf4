"""The FlashAlpha dialect: `/v1/…`, and the same paths under `/historical`, where `at` is required."""

from __future__ import annotations

from warehouse.api.dialects import Dialect, rate_limit_headers
from warehouse.api.flashalpha.errors import EXCEPTION_HANDLERS, on_invalid, refuse
from warehouse.api.flashalpha.routes import historical_router, router


def dialect() -> Dialect:
    """The FlashAlpha dialect for the server."""
    return Dialect(
        name="flashalpha",
        prefixes=("/v1", "/historical"),
        routers=(router, historical_router),
        refuse=refuse,
        rate_headers=rate_limit_headers,
        exception_handlers=EXCEPTION_HANDLERS,
        on_invalid=on_invalid,
    )


__all__ = ["dialect", "historical_router", "router"]
