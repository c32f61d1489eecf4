"""Start-up without SQLAlchemy, which dataframely loads only because it is installed; for processes of our own.

Prefect brings it, and nothing here uses dataframely with it: 0.2 s in every command. `lean_start` lets dataframely find out, once, that
there is none; later imports work as ever. Only commands call it: in a notebook, dataframely's own use of SQLAlchemy would be missing.
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

SELDOM = (50_000, 20, 20)  # when the collector looks for cycles: imports make many objects, and columns few


class _Without(MetaPathFinder):
    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname == self._name:
            raise ModuleNotFoundError(f"{fullname} is left out while another library starts", name=fullname)
        return None


def lean_start() -> None:
    """Load dataframely without SQLAlchemy, unless one of them is loaded already.

    What is loaded stays to the end: the collector does not look through it, neither now and then nor when the process ends. To take it
    apart there took a command 0.2 s.
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
