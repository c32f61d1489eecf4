"""Somebody who takes notifications over HTTP, and what tests of alerts look at."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warehouse.home.paths import Home
from warehouse.read.query import query

if TYPE_CHECKING:
    from tests.flows.conftest import Said

TOKEN = "tokenOfTheHook77"  # noqa: S105 - it is what the tests look for


class Hook(HTTPServer):
    """Takes notifications, or refuses them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.got: list[dict[str, Any]] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_port}/{TOKEN}/in"

    @property
    def lines(self) -> list[str]:
        return [line for one in self.got for line in one["message"].splitlines()]


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        hook = self.server
        assert isinstance(hook, Hook)
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if hook.status == 200:
            hook.got.append(body)
        self.send_response(hook.status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def rules(hook: Hook, *texts: str, more: str = "") -> None:
    rows = "\n".join(f"[[alerts.rules]]\n{text}" for text in texts)
    Path("strikehouse.toml").write_text(f'[alerts]\nurls = ["{hook.url}"]\n{more}\n{rows}\n')


def table(home: Home) -> list[dict[str, Any]]:
    return query(home, "from ops.alerts order by first_seen_at, alert_key").to_dicts()


def without_token(home: Home, said: Said) -> None:
    assert TOKEN not in said.out + said.err
    for path in home.root.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path
