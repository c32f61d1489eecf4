"""Start-up without SQLAlchemy, which dataframely loads only because it is installed; for Strikehouse's own processes.

Prefect installs it, and Strikehouse never uses dataframely with it; importing it costs every command 0.2 s. `lean_start` hides it while
dataframely is imported; later imports work as usual. Only commands call it: in a notebook, dataframely would lack SQLAlchemy support.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

SELDOM = (50_000, 20, 20)  # threshold of the garbage collector: imports create many objects, columns few


class _Without(MetaPathFinder):
    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname == self._name:
            raise ModuleNotFoundError(f"{fullname} is left out while another library starts", name=fullname)
        return None


def lean_start() -> None:
    """Load dataframely without SQLAlchemy, unless one of them is loaded already.

    Loaded modules stay until exit, so the garbage collector skips them, also at exit: collecting them there took a command 0.2 s.
    """
    if "dataframely" in sys.modules:
        return
    gc.set_threshold(*SELDOM)
    if "sqlalchemy" not in sys.modules:
        with _without("sqlalchemy"):
            import_module("dataframely")
    gc.freeze()
    atexit.register(gc.freeze)


@contextmanager
def _without(name: str) -> Iterator[None]:
    finder = _Without(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
