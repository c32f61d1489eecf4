"""Refusals as data: what provokes one on which server, and what must come back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.warehouse.api.serving import api_settings, serving
from warehouse.home.paths import Home

LATER = datetime(2027, 1, 1, tzinfo=UTC)  # what the servers take for now: weeks after the demo's last session


@dataclass(frozen=True)
class Provoked:
    """One documented refusal. In `body` a pattern stands for any text that it matches, a type for any value of it."""

    path: str
    status: int
    code: str
    body: Any
    server: str = "plain"
    method: str = "GET"
    sent: Mapping[str, str] = field(default_factory=dict)  # headers
    headers: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.status} {self.code} {self.method} {self.path[:80]} on {self.server}"


def fits(actual: Any, wanted: Any) -> bool:
    """Whether JSON is as described, with no key more or less."""
    if isinstance(wanted, re.Pattern):
        return isinstance(actual, str) and wanted.search(actual) is not None
    if isinstance(wanted, type):
        return isinstance(actual, wanted)
    if isinstance(wanted, dict):
        return isinstance(actual, dict) and set(actual) == set(wanted) and all(fits(actual[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(actual, list) and len(actual) == len(wanted) and all(map(fits, actual, wanted))
    return bool(actual == wanted)


class Servers:
    """Servers by name, each started when it is first asked for; all see the same clock."""

    def __init__(self, demo: Home, folder: Path, break_it: Callable[[pytest.MonkeyPatch], None]) -> None:
        self._stack = ExitStack()
        self._urls: dict[str, str] = {}
        self._break_it = break_it
        empty, damaged = Home(folder / "empty"), Home(folder / "damaged")
        damaged.published_file.parent.mkdir(parents=True)
        damaged.published_file.write_bytes(b"no database" * 100)
        self._made: dict[str, tuple[Home, dict[str, Any]]] = {
            "plain": (demo, {}),
            "broken": (demo, {"cache_mb": 0}),
            "guarded": (demo, {"keys": ("the key",)}),
            "busy": (demo, {"rate_limit_per_minute": 1}),
            "used up": (demo, {"quota_per_month": 1}),
            "few rows": (demo, {"max_rows": 50}),
            "no time": (demo, {"timeout_s": 1e-6}),
            "empty": (empty, {}),
            "damaged": (damaged, {}),
        }

    def url(self, name: str) -> str:
        if name not in self._urls:
            home, of_api = self._made[name]
            self._urls[name] = self._stack.enter_context(serving(home, api_settings(**of_api), clock=lambda: LATER))
        return self._urls[name]

    def provoke(self, one: Provoked) -> requests.Response:
        """The refusal; a limit is used up first."""
        with pytest.MonkeyPatch.context() as patch:
            if one.server == "broken":
                self._break_it(patch)
            for _ in range(3 if one.server in ("busy", "used up") else 1):  # the third is of the second's minute, or of the first's
                answer = requests.request(one.method, f"{self.url(one.server)}{one.path}", headers=dict(one.sent), timeout=30)
        return answer

    def close(self) -> None:
        self._stack.close()


@contextmanager
def servers(demo: Home, folder: Path, break_it: Callable[[pytest.MonkeyPatch], None]) -> Iterator[Servers]:
    """All of them, until the block ends."""
    made = Servers(demo, folder, break_it)
    try:
        yield made
    finally:
        made.close()


def check(one: Provoked, answer: requests.Response) -> None:
    """Status, whole body and headers."""
    assert (answer.status_code, one.code in answer.text) == (one.status, True), answer.text
    assert fits(answer.json(), one.body), (answer.text, one.body)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store" and "ETag" not in answer.headers, "a refusal is not kept"
    assert re.fullmatch(r"req_[0-9a-f]{16}", answer.headers["X-Request-ID"])
    assert ("Retry-After" in answer.headers) is (one.status == 429)
    for name, wanted in one.headers.items():
        assert fits(answer.headers.get(name), wanted), (name, answer.headers.get(name))
