"""The BackQuant dialect, `/v2`: its routes, models, and the shape of its errors."""

from warehouse.api.backquant.errors import OPEN_PATHS, exception_handlers, on_invalid, rate_headers, refuse
from warehouse.api.backquant.router import router

PREFIXES = ("/v2",)

__all__ = ["OPEN_PATHS", "PREFIXES", "exception_handlers", "on_invalid", "rate_headers", "refuse", "router"]
