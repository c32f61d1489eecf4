"""`/v2/openapi.json`, `/v2/docs`, `/v2/redoc`: the schema of this dialect, and an HTML page of it without external resources."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse, JSONResponse, Response

from warehouse.api.backquant.envelope import VERSION
from warehouse.api.backquant.errors import DialectRoute

router = APIRouter(prefix="/v2", route_class=DialectRoute, include_in_schema=False)


def schema(request: Request) -> dict[str, Any]:
    """The OpenAPI document of `/v2`."""
    whole = request.app.openapi() if request.app.openapi_url else get_openapi(title="", version=VERSION, routes=request.app.routes)
    paths = {path: item for path, item in whole["paths"].items() if path.startswith("/v2/")}
    return {**whole, "info": {"title": "Strikehouse, BackQuant dialect", "version": VERSION}, "paths": paths}


@router.get("/openapi.json")
def openapi(request: Request) -> Response:
    """No key."""
    return JSONResponse(schema(request))


@router.get("/docs")
@router.get("/redoc")
def page(request: Request) -> Response:
    """No key."""
    parts = []
    for path, item in sorted(schema(request)["paths"].items()):
        operation = item["get"]
        rows = "".join(
            f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one.get('description', ''))}</td></tr>"
            for one in operation.get("parameters", [])
        )
        parts.append(f"<h2><code>{escape(path)}</code></h2><p>{escape(operation.get('description', ''))}</p><table>{rows}</table>")
    title = "Strikehouse: BackQuant dialect"
    return HTMLResponse(f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><h1>{title}</h1>{''.join(parts)}</html>")
