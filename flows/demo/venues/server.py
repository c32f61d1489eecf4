"""The HTTP server: 127.0.0.1 only, one thread per connection, a log of every request, and a clean stop."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR, socket
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flows.demo.market.market import Market
from flows.demo.venues.binance import Binance
from flows.demo.venues.bybit import Bybit
from flows.demo.venues.cboe import Cboe
from flows.demo.venues.damage import damage
from flows.demo.venues.delivery import Delivery
from flows.demo.venues.deribit import Deribit
from flows.demo.venues.faults import Fault, parse_faults
from flows.demo.venues.okx import Okx
from flows.demo.venues.wire import Reply, Wire

WIRES: Mapping[str, Wire] = {wire.name: wire for wire in (Cboe(), Deribit(), Bybit(), Okx(), Binance())}
ERROR_PAGE = b"<html><head><title>%d</title></head><body><center><h1>Something went wrong</h1></center></body></html>"
CACHED_REPLIES = 128
COUNTED_SECONDS = 60.0
BOOK_SUMMARY = "/api/v2/public/get_book_summary_by_currency"
COMMON_REQUESTS: list[tuple[str, str, dict[str, str]]] = [
    *(("cboe", f"/api/global/delayed_quotes/options/{symbol}.json", {}) for symbol in ("_SPX", "SPY")),
    *(("deribit", BOOK_SUMMARY, {"currency": currency, "kind": "option"}) for currency in ("BTC", "ETH", "USDC")),
]


@dataclass(frozen=True)
class Request:
    """One logged request. `status` 0: the connection was reset instead."""

    at: float  # monotonic seconds
    venue: str
    path: str  # without the venue's prefix
    query: dict[str, str]
    status: int
    fault: str | None  # the specs that hit it
    agent: str | None
    accept_encoding: str | None


class Double:
    """A running server: its addresses, the requests it got, and what it answers from now on."""

    def __init__(self, market: Market, faults: Iterable[str], port: int = 0, log: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._replies: dict[tuple[str, ...], Reply] = {}
        self._requests: list[Request] = []
        self._log = log
        self._stopping = threading.Event()
        self._market = market
        self.set_faults(faults)
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="venue server")
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    @property
    def urls(self) -> dict[str, str]:
        """Base address per venue; the venue's whole path is appended to it."""
        return {name: f"http://127.0.0.1:{self.port}/{name}" for name in WIRES}

    @property
    def requests(self) -> list[Request]:
        """The requests so far, in the order in which they came."""
        with self._lock:
            return list(self._requests)

    @property
    def market(self) -> Market:
        """The market that it answers from."""
        return self._market

    def set_faults(self, specs: Iterable[str]) -> None:
        """Replace all faults, counts from the start; `ValueError` for a spec that means nothing."""
        self._faults = parse_faults(specs, {name: wire.refusals for name, wire in WIRES.items()})

    def set_session(self, session: int) -> None:
        """Answer from another session from now on."""
        self._set_market(Market(session=session))

    def set_now(self, now: datetime) -> None:
        """Answer as at another instant from now on."""
        self._set_market(Market(now=now))

    def warm(self) -> None:
        """Make the usual replies before somebody asks for them."""
        for name, path, query in COMMON_REQUESTS:
            self._reply(WIRES[name], path, query, [])

    def close(self) -> None:
        """Stop answering, cut what is open, and wait for all threads."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._server.shutdown()
        self._server.cut_connections()
        self._server.server_close()
        self._thread.join()

    def rest(self, seconds: float) -> None:
        """Wait, but not beyond the stop."""
        self._stopping.wait(seconds)

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        target = urlsplit(handler.path)
        _, name, rest = [*target.path.split("/", 2), "", ""][:3]
        path, query = "/" + rest, dict(parse_qsl(target.query, keep_blank_values=True))
        wire, delivery = WIRES.get(name), Delivery(handler, self.rest)
        if wire is None:
            delivery.send(Reply(404, b"no such venue\n", "text/plain"), [])
            return
        faults = self._faults.hitting(name, f"{path}?{target.query}")
        kinds = {fault.kind: fault for fault in faults}
        reply = self._reply(wire, path, query, faults)
        is_silent = "reset" in kinds and kinds["reset"]["where"] == "before"
        self._note(handler, name, path, query, 0 if is_silent else reply.status, faults)  # before the first byte of the reply
        counters = self._counters(wire)
        if "timeout" in kinds:
            self.rest(kinds["timeout"]["seconds"])
        delivery.send(replace(reply, headers={**counters, **reply.headers}), faults)

    def _reply(self, wire: Wire, path: str, query: dict[str, str], faults: list[Fault]) -> Reply:
        for fault in faults:
            if fault.kind == "server_error":
                return Reply(fault["status"], ERROR_PAGE % fault["status"], "text/html")
            if fault.kind == "rate_limit":
                return wire.refuse(fault["variant"], fault["seconds"])
            if fault.kind == "garbage":
                return Reply(200, ERROR_PAGE % 200, "text/html")
        with self._lock:  # one thread computes a chain, the others wait and take it from the cache
            market = self._market.previous() if any(fault.kind == "old_session" for fault in faults) else self._market
            key = (wire.name, market.now.isoformat(), path, *(f"{name}={value}" for name, value in sorted(query.items())))
            reply = self._replies.get(key) or wire.answer(market, path, query)
            if len(self._replies) < CACHED_REPLIES:
                self._replies[key] = reply
        if reply.status != 200 or not faults:
            return reply
        return Reply(reply.status, damage(wire, reply.body, faults), reply.content_type, reply.headers)

    def _counters(self, wire: Wire) -> dict[str, str]:
        since = time.monotonic() - COUNTED_SECONDS
        return wire.counters((each.path, each.query) for each in self.requests if each.venue == wire.name and each.at > since)

    def _note(
        self, handler: BaseHTTPRequestHandler, venue: str, path: str, query: dict[str, str], status: int, faults: list[Fault]
    ) -> None:
        hit = ", ".join(fault.spec for fault in faults) or None
        headers = handler.headers
        request = Request(time.monotonic(), venue, path, query, status, hit, headers.get("User-Agent"), headers.get("Accept-Encoding"))
        with self._lock:
            self._requests.append(request)
            if self._log is not None:
                with self._log.open("a") as file:
                    file.write(json.dumps(asdict(request)) + "\n")

    def _set_market(self, market: Market) -> None:
        with self._lock:
            self._market = market
            self._replies.clear()


@contextmanager
def serve(
    session: int = 1, *, now: datetime | None = None, faults: Iterable[str] = (), port: int = 0, log: Path | None = None
) -> Iterator[Double]:
    """A server that runs until the block ends. `session` is the market's; `now` is any instant instead."""
    double = Double(Market(session=session) if now is None else Market(now=now), faults, port, log)
    try:
        yield double
    finally:
        double.close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = False  # closing waits for them, so nothing outlives a test

    def __init__(self, address: tuple[str, int], double: Double) -> None:
        self.double = double
        self._open: set[socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):  # gone by itself
                connection.shutdown(SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print a traceback, except for a client that closed the connection."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "venue-double", ""
    disable_nagle_algorithm = True  # head and body are two writes

    def do_GET(self) -> None:
        self.server.double.handle(self)

    def log_message(self, format: str, *args: Any) -> None:
        pass  # the server writes its own log
