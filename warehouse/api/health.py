"""/health: whether the published file can be read. No key, never limited."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from models.errors import WarehouseError
from warehouse.frames import Warehouse

router = APIRouter(tags=["server"])


class Health(BaseModel):
    """The server reads its warehouse."""

    status: Literal["Healthy"] = Field(description="anything else comes with status 503")


class Unhealthy(BaseModel):
    """It does not."""

    status: Literal["Unhealthy"]
    message: str


@router.get("/health", response_model=Health, responses={503: {"model": Unhealthy}}, summary="Whether the server can read its warehouse")
def health(request: Request) -> Response:
    """200 when the live generation opens, else 503 with the reason in short."""
    request.state.endpoint = "/health"
    live: Warehouse = request.app.state.warehouse
    try:
        live.generation  # noqa: B018 - read to see whether it can be
    except WarehouseError:
        return JSONResponse({"status": "Unhealthy", "message": "The published file cannot be read; is anything published?"}, 503)
    return JSONResponse({"status": "Healthy"})
