"""/health: whether the published file can be read, and how fresh it is. No key, never limited."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from models.errors import PublicationMissing, PublicationUnreadable, WarehouseError
from warehouse.api.dependencies import now_of, settings
from warehouse.api.freshness import fresh, watched_states, worst
from warehouse.client.warehouse import Warehouse
from warehouse.home.paths import Home
from warehouse.publish.status import read_status

router = APIRouter(tags=["server"])
SHOWN = {"healthy": "Healthy", "degraded": "Degraded"}  # anything worse is unhealthy


class Health(BaseModel):
    """The server reads its warehouse."""

    status: Literal["Healthy", "Degraded", "Unhealthy"] = Field(description="Unhealthy: data are stale, which other requests still get")
    message: str = Field(default="", description="why it is not Healthy; absent when it is")


class Unhealthy(BaseModel):
    """It does not."""

    status: Literal["Unhealthy"]
    message: str


@router.get("/health", response_model=Health, responses={503: {"model": Unhealthy}}, summary="Whether data are served, and fresh ones")
def health(request: Request) -> Response:
    """200 when the live generation opens, with the state of its data; else 503."""
    request.state.endpoint = "/health"
    live: Warehouse = request.app.state.warehouse
    home: Home = request.app.state.home
    try:
        live.generation  # noqa: B018 - read to see whether it can be
    except WarehouseError:
        return JSONResponse({"status": "Unhealthy", "message": "The published file cannot be read; is anything published?"}, 503)
    try:
        states = watched_states(fresh(home, read_status(home), settings(request), now_of(request)))
    except (PublicationMissing, PublicationUnreadable):
        return JSONResponse({"status": "Degraded", "message": "No run has ended yet, or its status cannot be read."})
    state = worst([*states.values()])
    if state == "healthy":
        return JSONResponse({"status": "Healthy"})
    late = sum(one == state for one in states.values())  # no names: this needs no key
    message = f"{late} of {len(states)} underlyings {'is' if late == 1 else 'are'} {state}; /v2/status tells which."
    return JSONResponse({"status": SHOWN.get(state, "Unhealthy"), "message": message})
