"""DuckDB and files: settings, archive, loader, SQL runner, publisher and query layer. `open_warehouse` is its entry point in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from warehouse.client.warehouse import Warehouse, open_warehouse

__all__ = ["Warehouse", "open_warehouse"]


def __getattr__(name: str) -> Any:
    """The Python client is imported on first use: everything else in the package loads without it."""
    if name in __all__:
        from warehouse.client import warehouse

        return getattr(warehouse, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
