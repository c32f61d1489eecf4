"""What a request reads: the warehouse of one generation, whatever is published meanwhile."""

from __future__ import annotations

from fastapi import Request

from warehouse.frames import Warehouse
from warehouse.settings import Settings


def warehouse(request: Request) -> Warehouse:
    """The warehouse that this request reads; all its questions are answered by one generation."""
    reading: Warehouse | None = getattr(request.state, "warehouse", None)
    if reading is not None:
        return reading
    live: Warehouse = request.app.state.warehouse
    return live


def settings(request: Request) -> Settings:
    """The settings that the server was started with."""
    found: Settings = request.app.state.settings
    return found
