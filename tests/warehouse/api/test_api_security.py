"""What strangers send: SQL in every text parameter, paths that climb, sizes without end. Refused in the dialect's words, logged, harmless.

Parameters come from the OpenAPI document, so that a new one is tried without anybody thinking of it.
"""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
import requests

from tests.conftest import Demo
from tests.warehouse.api.serving import serving
from tests.warehouse.api.test_serving import Lines
from warehouse.api.server.access_log import access_log
from warehouse.home.paths import Home
from warehouse.read.query import query

SQL = (
    "' or '1'='1",
    "SPY'; drop table core.snapshots; --",
    "SPY') union all select * from duckdb_settings() --",
    "\"; attach '/tmp/stranger.duckdb' as other; --",
)
OTHERS = (
    "../../../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "read_text('/etc/passwd')",
    "$underlying",
    "SPY\r\nX-Evil: 1",
    "SPY\x00",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16") * 50,
    "1e999",
    "-0",
    "{{7*7}}${7*7}",
    "A" * 4000,
    " ",
)


@dataclass(frozen=True)
class Parameter:
    """A text parameter of an operation, and what the operation needs beside it."""

    path: str
    name: str
    location: str  # path or query
    needed: dict[str, str]

    def url(self, text: str) -> str:
        known = {"symbol": "SPY", "underlying": "SPY", "kind": "gex"} | ({self.name: text} if self.location == "path" else {})
        path = self.path
        for name, value in known.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        query = self.needed | ({self.name: text} if self.location == "query" else {})
        return f"{path}?{urlencode(query)}" if query else path


def is_text(schema: dict[str, Any]) -> bool:
    forms = schema.get("anyOf", [schema])
    return any(one.get("type") == "string" for one in forms)


def text_parameters(document: dict[str, Any]) -> list[Parameter]:
    parameters = []
    for path, item in document["paths"].items():
        declared = item["get"].get("parameters", [])
        needed = {one["name"]: "2026-11-18" for one in declared if one.get("required") and one["in"] == "query"}
        parameters += [
            Parameter(path, one["name"], one["in"], needed) for one in declared if is_text(one["schema"]) and one["in"] != "header"
        ]
    return parameters


def fingerprint(home: Home) -> dict[str, str]:
    """Hash of every file of a home."""
    return {
        path.relative_to(home.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def url(demo: Demo) -> Iterator[str]:
    with serving(demo.home) as served:
        yield served


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    before = access_log.level
    access_log.addHandler(handler)
    access_log.setLevel("INFO")
    yield handler
    access_log.removeHandler(handler)
    access_log.setLevel(before)


def is_refused_in_its_dialect(path: str, answer: requests.Response) -> bool:
    body = answer.json()
    if path.startswith("/v2/"):
        return (
            set(body) == {"success", "error", "meta"} and body["success"] is False and set(body["error"]) == {"code", "message", "details"}
        )
    return set(body) in ({"error", "message"}, {"title", "status", "detail"})


def test_sql_in_every_text_parameter_is_refused_logged_and_harmless(demo: Demo, url: str, lines: Lines) -> None:
    parameters = text_parameters(requests.get(f"{url}/openapi.json", timeout=30).json())
    named = {(one.path, one.name) for one in parameters}
    assert len(named) > 80 and ("/v1/maxpain/{symbol}", "symbol") in named and ("/v2/options/chain", "fields") in named
    assert ("/explain/{kind}/{underlying}", "definition") in named
    before = fingerprint(demo.home)
    session = requests.Session()
    assert len(lines.written(1)) == 1, "that of the document"
    lines.texts.clear()
    sent = 0
    for number, one in enumerate(parameters):
        for text in (SQL[number % len(SQL)], OTHERS[number % len(OTHERS)]):
            started = time.monotonic()
            answer = session.get(f"{url}{one.url(text)}", timeout=30)
            sent += 1
            assert answer.status_code < 500 and time.monotonic() - started < 20, (one, text, answer.text[:300])
            assert "X-Evil" not in answer.headers and "root:" not in answer.text
            if answer.status_code != 200:
                assert is_refused_in_its_dialect(one.path, answer), (one, text, answer.text[:300])
            elif text in SQL:  # lists of names: what is no name is told, or ignored, and nothing of another is shown
                assert one.name in ("symbols", "venues") and "duckdb" not in answer.text.lower().replace(text.lower(), ""), (one, text)
    assert len(lines.written(sent)) == sent and all({"request_id", "status", "client"} <= set(json.loads(line)) for line in lines.texts)
    assert fingerprint(demo.home) == before and not Path("/tmp/stranger.duckdb").exists()  # noqa: S108
    assert query(demo.home, "select count(*) as n from core.snapshots").item() > 0


@pytest.mark.parametrize(
    "path",
    ["/../../etc/passwd", "/v1/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/v1/maxpain/..%2f..%2f..%2fetc%2fpasswd", "/v1/maxpain/....//etc/passwd",
     "/v2/docs/../../etc/passwd", "/explain/gex/..%2fSPY", "/static/../published/strikehouse.duckdb", "/published/strikehouse.duckdb", "/raw/", "//etc/passwd"],
)  # fmt: skip
def test_paths_that_climb_lead_nowhere(url: str, path: str) -> None:
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as wire:  # a client would tidy the path up
        wire.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        said = b"".join(iter(lambda: wire.recv(65536), b""))
    assert said.startswith(b"HTTP/1.1 404 ") and b"application/json" in said and b"root:" not in said


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /v1/maxpain/" + b"A" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n", 414),
        (b"GET /v2/gex/levels?symbol=" + b"A" * 60_000 + b" HTTP/1.1\r\nHost: x\r\n", 414),
        (b"GET /v2/gex/levels?" + b"&".join(b"symbol=%d" % number for number in range(5000)) + b" HTTP/1.1\r\nHost: x\r\n", 414),
        (b"GET /v1/symbols HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: a\r\n" % number for number in range(6000)), 431),
        (b"GET /v2/symbols HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 50_000 + b"\r\n", 431),
        (b"GET /v2/symbols HTTP/1.1\r\nHost: x\r\nX-Api-Key: " + b"k" * 50_000 + b"\r\n", 431),
        (b"GET /v1/maxpain/XYZ HTTP/1.1\r\nHost: x\r\nIf-None-Match: " + b'"a", ' * 5_000 + b"\r\n", 404),
        (b"GET /v1/symbols HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(2000)), 400),
        (b"GET /v2/gex/levels?symbol=" + b"A" * 2_000_000 + b" HTTP/1.1\r\nHost: x\r\n", 400),
        (b"GET /v1/maxpain/\xff\xfe HTTP/1.1\r\nHost: x\r\n", 400),
    ],
    ids=["path", "parameter", "parameters", "headers", "header", "key", "tags", "flood", "endless parameter", "no text"],
)  # fmt: skip
def test_sizes_without_end_are_refused_and_the_server_goes_on(url: str, request_: bytes, status: int) -> None:
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as wire:
        try:
            wire.sendall(request_ + b"Connection: close\r\n\r\n")
            said = wire.recv(64)
        except OSError:  # it closed while we were still sending
            said = b""
    # beyond what uvicorn reads ahead (64 KiB) it is uvicorn that refuses, or the gate, as the bytes happen to arrive
    allowed = (400, 414, 431) if status == 400 else (status,)
    assert (not said and status == 400) or int(said.split()[1]) in allowed, said
    assert requests.get(f"{url}/v1/symbols", timeout=30).status_code == 200


def test_a_body_is_not_read_into_an_answer(url: str) -> None:
    answer = requests.get(f"{url}/v1/maxpain/SPY", data=b"x" * 3_000_000, timeout=30)
    assert (answer.status_code, answer.json()["symbol"]) == (200, "SPY")


def test_a_long_path_does_not_fill_the_log(url: str, lines: Lines) -> None:
    requests.get(f"{url}/v1/maxpain/{'A' * 7000}?apiKey={'s' * 500}", timeout=30)
    requests.get(f"{url}/v2/gex/levels?symbol={'A' * 7900}&apiKey=topsecret", timeout=30)
    assert max(map(len, lines.written(2))) < 5000 and not any("sss" in line or "secret" in line for line in lines.texts)
