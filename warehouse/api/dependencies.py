"""FastAPI dependencies: the warehouse of one generation, the settings and the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fastapi import Request

from warehouse.client.warehouse import Warehouse
from warehouse.settings import Settings


def warehouse(request: Request) -> Warehouse:
    """The warehouse of this request; all its queries read one generation, whatever is published meanwhile."""
    reading: Warehouse | None = getattr(request.state, "warehouse", None)
    if reading is not None:
        return reading
    live: Warehouse = request.app.state.warehouse
    return live


def settings(request: Request) -> Settings:
    """The settings that the server was started with."""
    app_settings: Settings = request.app.state.settings
    return app_settings


def clock_of(app: Any) -> Callable[[], datetime]:
    """The clock of an application, UTC: `app.state.clock`, or the machine's."""
    return getattr(app.state, "clock", None) or _machine_clock


def now_of(request: Request) -> datetime:
    """The instant of a request, UTC."""
    return clock_of(request.app)()


def _machine_clock() -> datetime:
    return datetime.now(UTC)
