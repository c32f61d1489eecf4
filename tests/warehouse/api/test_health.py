"""/health, /v2/health and /v2/status: the state of published/status.json at the moment it is asked, as `strikehouse status` tells it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import Demo
from tests.warehouse.api.serving import api_settings, serving
from warehouse.home.paths import Home
from warehouse.monitor.freshness import STALE
from warehouse.monitor.status import read_freshness

TAKEN = datetime(2026, 11, 17, 22, 40, 34, tzinfo=UTC)  # the demo's last session
WORDS = {"healthy": "Healthy", "degraded": "Degraded", "unhealthy": "Unhealthy"}
V2 = {"healthy": "ok", "degraded": "degraded", "unhealthy": "unhealthy"}


class ClockedServer:
    """A server with a clock that tests set."""

    def __init__(self, home: Home) -> None:
        self.home, self.url = home, ""
        self.now = TAKEN + timedelta(minutes=20)

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        answer = requests.get(f"{self.url}{path}", timeout=30)
        assert "ETag" not in answer.headers and answer.headers["Cache-Control"] == "no-store", "it changes with the clock"
        return answer.status_code, answer.json()


@pytest.fixture(scope="module")
def server(demo: Demo) -> Iterator[ClockedServer]:
    server = ClockedServer(demo.home)
    with serving(demo.home, clock=lambda: server.now) as server.url:
        yield server


@pytest.mark.parametrize(
    ("hours", "state", "late"), [(0.5, "healthy", 0), (2, "degraded", 2), (4, "unhealthy", 2), (26, "unhealthy", 2), (24 * 7, "unhealthy", 4)]
)  # fmt: skip
def test_it_is_the_state_at_the_moment_of_the_request(server: ClockedServer, hours: float, state: str, late: int) -> None:
    server.now = TAKEN + timedelta(hours=hours)
    status, body = server.get("/health")
    assert (status, body["status"]) == (200, WORDS[state])
    assert body.get("message") == (f"{late} of 4 underlyings are {state}; /v2/status tells which." if late else None)
    assert server.get("/v2/health")[1]["data"]["status"] == V2[state]
    assert server.get("/v2/status")[1]["data"]["overall_status"] == state, "stale is shown as unhealthy"
    _, rows = read_freshness(server.home, api_settings(), server.now, [], [])
    assert any(row.is_at_least(STALE) for row in rows if row.is_watched) is (state == "unhealthy"), "as `strikehouse status` ends"


DAMAGES: dict[str, bytes | None] = {
    "missing": None,
    "cut": b'{"written_at": "2026-11',
    "no text": b"\xff\xfe",
    "a list": b"[]",
    "no venues": b'{"written_at": "2026-11-17T22:41:00+00:00"}',
    "a venue without its state": b'{"written_at": "2026-11-17T22:41:00+00:00", "venues": [{"underlying": "BTC"}]}',
    "no instant": b'{"written_at": "yesterday", "venues": []}',
    "no time zone": b'{"written_at": "2026-11-17T22:41:00", "venues": []}',
}


@pytest.fixture
def copied(demo_copy: Home) -> Iterator[ClockedServer]:
    server = ClockedServer(demo_copy)
    with serving(demo_copy, clock=lambda: server.now) as server.url:
        yield server


def test_a_status_that_is_missing_or_damaged_has_its_proper_answer_everywhere(copied: ClockedServer) -> None:
    for name, content in DAMAGES.items():
        Path(copied.home.status_file).unlink(missing_ok=True)
        if content is not None:
            copied.home.status_file.write_bytes(content)
        assert copied.get("/health") == (200, {"status": "Degraded", "message": "No run has ended yet, or its status cannot be read."}), (
            name
        )
        assert copied.get("/v2/health")[1]["data"] == {"status": "degraded", "subsystems": {"warehouse": True, "raw_store": True}}, name
        status, body = copied.get("/v2/status")
        assert (status, body["error"]["code"]) == (503, "UPSTREAM_ERROR"), name
        assert str(copied.home.root) not in json.dumps(body)
        assert requests.get(f"{copied.url}/v1/exposure/levels/SPY", timeout=30).status_code == 200, "data are served all the same"


def test_what_is_not_watched_any_more_is_shown_and_does_not_count(copied: ClockedServer) -> None:
    status = json.loads(copied.home.status_file.read_bytes())
    old = {
        "underlying": "GONE",
        "venue": "cboe",
        "market": "us",
        "last_status": "ok",
        "error": None,
        "captured_at": "2020-01-02T22:00:00+00:00",
    }
    status["venues"].append(old)
    copied.home.status_file.write_text(json.dumps(status))
    assert copied.get("/health") == (200, {"status": "Healthy"}) and copied.get("/v2/health")[1]["data"]["status"] == "ok"
    assert copied.get("/v2/status")[1]["data"]["symbols"]["GONE"]["gex"]["status"] == "unhealthy"
