"""A web server on the loopback that does as it is told, a clock that only moves when somebody sleeps, and payloads by hand."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.sources.http import VenueClient
from models.chain import RawPayload
from models.market.calendar import TradingCalendar
from warehouse.settings import DeribitSettings

RECEIVED_AT = datetime(2026, 11, 13, 18, 45, 20, tzinfo=UTC)

Step = Callable[[BaseHTTPRequestHandler], None]


def answer(body: bytes | str = b"{}", status: int = 200, **headers: str) -> Step:
    """A whole reply; `retry_after=` becomes the header Retry-After."""
    content = body.encode() if isinstance(body, str) else body

    def step(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return step


def wire(*pieces: bytes, pause: float = 0.0) -> Step:
    """These bytes as they are, with a pause after each, then the end of the connection."""

    def step(handler: BaseHTTPRequestHandler) -> None:
        for piece in pieces:
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(pause)
        handler.close_connection = True

    return step


def reset(handler: BaseHTTPRequestHandler) -> None:
    """A TCP reset instead of a reply."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()


@dataclass
class Web:
    """The server as a test sees it: what it will answer and what it was asked.

    `routes` answer paths that hold their text, in order; else `steps` come one after the other, the last for ever.
    """

    url: str = ""
    routes: dict[str, Step] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=lambda: [answer()])
    arrivals: list[float] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    def next_step(self, path: str, headers: dict[str, str]) -> Step:
        with self.lock:
            self.arrivals.append(time.monotonic())
            self.requests.append((path, headers))
            for text, step in self.routes.items():
                if text in path:
                    return step
            return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]


@pytest.fixture
def web() -> Iterator[Web]:
    state = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body leave in two writes

        def do_GET(self) -> None:
            try:
                state.next_step(self.path, dict(self.headers.items()))(self)
            except OSError:  # the client has gone
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()


@dataclass
class Clock:
    """Time that moves by sleeping only."""

    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return RECEIVED_AT + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return 1000.0 + self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@dataclass
class Venue:
    """A client of the web server, and the replies that it recorded."""

    client: VenueClient
    archive: list[RawPayload]


@pytest.fixture
def venue(web: Web, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Venue]]:
    """Makes clients: `venue(name, rest_until=…, is_real_time=…, max_attempts=…)`."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")  # whoever runs the tests may sit behind a proxy
    made: list[VenueClient] = []

    def make(name: str = "deribit", *, rest_until: datetime | None = None, is_real_time: bool = False, **settings: Any) -> Venue:
        client_settings = DeribitSettings(**{"base_url": web.url, "max_requests_per_second": 1000, "timeout_s": 5, **settings})
        archive: list[RawPayload] = []
        times: dict[str, Any] = {} if is_real_time else {"now": clock.now, "monotonic": clock.monotonic, "sleep": clock.sleep}
        made.append(
            VenueClient(name, client_settings, record=archive.append, rest_until=rest_until, jitter=lambda: 0.5, version="2.3", **times)
        )
        return Venue(made[-1], archive)

    yield make
    for client in made:
        client.close()


@pytest.fixture(scope="session")
def calendar() -> TradingCalendar:
    return TradingCalendar.new_york()


def payload(venue: str, book: str, name: str, content: Any, status: int = 200, received_at: datetime = RECEIVED_AT) -> RawPayload:
    """A reply as if it had been fetched; content that is not bytes is written as JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return RawPayload(venue, book, name, "https://venue.example/x", {}, status, {}, body, received_at, received_at)


def recorded(folder: Path, venue: str, capture: str, body: str, book: str, name: str, status: int = 200) -> RawPayload:
    """A recorded reply."""
    return payload(venue, book, name, gzip.decompress((folder / venue / capture / body).read_bytes()), status)
