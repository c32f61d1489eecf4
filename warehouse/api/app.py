"""The application: the dialects' routes behind the middleware."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from models.errors import PublicationMissing, PublicationUnreadable, QueryTooLarge, QueryTooSlow
from warehouse.api import backquant, explain, flashalpha
from warehouse.api.dialects import Dialect, Reason, Refusal
from warehouse.api.health import router as health_router
from warehouse.api.server.generations import MIB, Generations
from warehouse.api.server.middleware import ApiMiddleware
from warehouse.client.warehouse import Warehouse
from warehouse.home.paths import Home
from warehouse.home.version import code_version
from warehouse.settings import Settings

REASONS: dict[type[Exception], tuple[Reason, str | None]] = {
    QueryTooSlow: (Reason.TOO_SLOW, None),
    QueryTooLarge: (Reason.TOO_LARGE, None),
    # the original messages contain file paths of this machine
    PublicationMissing: (Reason.UNAVAILABLE, "Nothing is published yet."),
    PublicationUnreadable: (Reason.UNAVAILABLE, "The published file cannot be read."),
}


class Api(FastAPI):
    """The ASGI application, wrapped in the middleware."""

    api_middleware: ApiMiddleware

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass every request through the middleware."""
        await self.api_middleware(scope, receive, send)

    async def routed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The FastAPI application behind the middleware."""
        await super().__call__(scope, receive, send)


def dialects() -> tuple[Dialect, ...]:
    """All dialects; the first one also answers for paths that belong to none."""
    return (
        flashalpha.dialect(),
        Dialect(
            name="backquant",
            prefixes=backquant.PREFIXES,
            routers=(backquant.router,),
            refuse=backquant.refuse,
            rate_headers=backquant.rate_headers,
            exception_handlers=backquant.exception_handlers,
            open_paths=backquant.OPEN_PATHS,
            on_invalid=backquant.on_invalid,
        ),
        explain.dialect(),
    )


def create_app(home: Home, settings: Settings) -> Api:
    """The API of one home; before the first publication it runs and reports that nothing is published."""
    app = Api(
        title="Strikehouse",
        summary="Option positioning: max pain, gamma exposure and key levels, from a warehouse of your own.",
        version=code_version(),
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.home, app.state.settings, app.state.warehouse = home, settings, Warehouse(home)
    spoken = dialects()
    key = Security(APIKeyHeader(name="X-API-Key", auto_error=False, description="Not needed when the server has no keys."))
    app.include_router(health_router)
    for dialect in spoken:
        for router in dialect.routers:
            app.include_router(router, dependencies=[key])
        for error, handler in dialect.exception_handlers.items():
            app.add_exception_handler(error, handler)
    for failure in REASONS:
        app.add_exception_handler(failure, _on_failure)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    generations = Generations(home, int(settings.api.cache_mb * MIB))
    app.api_middleware = ApiMiddleware(app.routed, home=home, settings=settings, dialects=spoken, generations=generations)
    return app


def _refusal(request: Request, reason: Reason, message: str) -> Response:
    dialect: Dialect = request.state.dialect
    return dialect.refuse(Refusal(reason, message, request.state.request_id))


async def _on_failure(request: Request, error: Exception) -> Response:
    reason, message = next(refusal for kind, refusal in REASONS.items() if isinstance(error, kind))
    return _refusal(request, reason, message or str(error))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Answer a request with an unknown path or method."""
    assert isinstance(error, HTTPException)
    reason = Reason(error.status_code) if error.status_code in {one.value for one in Reason} else Reason.INTERNAL
    message = f"{request.method} {request.url.path}: {error.detail}."
    response = _refusal(request, reason, message)
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    dialect: Dialect = request.state.dialect
    if dialect.on_invalid is None:
        raise error
    errors: list[dict[str, Any]] = list(error.errors())
    return dialect.on_invalid(errors, request.state.request_id)
