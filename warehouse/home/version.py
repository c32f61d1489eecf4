"""The version of Strikehouse."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def code_version() -> str:
    """Version of the installed package; `0` from a bare checkout."""
    try:
        return version("strikehouse")
    except PackageNotFoundError:
        return "0"
