"""How a reply goes over the wire: in one piece, gzipped, or in one of the ways in which connections fail."""

from __future__ import annotations

import gzip
import os
import socket
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from http.server import BaseHTTPRequestHandler

from flows.demo.venues.faults import Fault
from flows.demo.venues.wire import Reply

CHUNK = 64 * 1024
DRIPS = 50
MEGABYTE = 1_000_000


class Delivery:
    """Sends one reply through an HTTP handler. `rest` waits so many seconds, less when the server stops."""

    def __init__(self, handler: BaseHTTPRequestHandler, rest: Callable[[float], object]) -> None:
        self.handler = handler
        self.rest = rest

    def send(self, reply: Reply, faults: Sequence[Fault]) -> None:
        """Send a reply, broken by the faults of the connection if there are any."""
        ways = {fault.kind: fault for fault in faults}
        body, encoding = reply.body, None
        if "truncate" in ways and ways["truncate"]["how"] == "short":
            body = body[: len(body) // 2]
        if "huge" in ways:
            self._huge(reply, ways["huge"])
            return
        if "gzip" in self.handler.headers.get("Accept-Encoding", "") and len(body) > 1000:
            body, encoding = _packed(body), "gzip"
        if "reset" in ways:
            self._reset(reply, body, encoding, ways["reset"]["where"] == "mid")
            return
        if "truncate" in ways and ways["truncate"]["how"] != "short":
            self._truncated(reply, body, encoding, ways["truncate"]["how"])
            return
        self._head(reply, encoding, {"Content-Length": str(len(body))})
        if "slow_drip" in ways:
            step = max(-(-len(body) // DRIPS), 1)
            for start in range(0, len(body), step):
                self._write(body[start : start + step])
                self.rest(ways["slow_drip"]["seconds"] * min(step, len(body)) / len(body))
        else:
            self._write(body)

    def reset(self) -> None:
        """Close the connection with a TCP reset."""
        connection = self.handler.connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.handler.close_connection = True
        os.close(connection.detach())  # the handler's files would keep the socket open

    def _reset(self, reply: Reply, body: bytes, encoding: str | None, in_the_middle: bool) -> None:
        if in_the_middle:
            self._head(reply, encoding, {"Content-Length": str(len(body))})
            self._write(body[: len(body) // 2])
        self.reset()

    def _truncated(self, reply: Reply, body: bytes, encoding: str | None, how: str) -> None:
        half = body[: len(body) // 2]
        length = {"length": {"Content-Length": str(len(body))}, "chunked": {"Transfer-Encoding": "chunked"}, "close": {}}[how]
        self._head(reply, encoding, {**length, "Connection": "close"})
        self._write(b"%x\r\n%s" % (len(body), half) if how == "chunked" else half)
        self.handler.close_connection = True

    def _huge(self, reply: Reply, fault: Fault) -> None:
        blanks, how = int(fault["megabytes"] * MEGABYTE), fault["how"]
        if how == "length":
            self._head(reply, None, {"Content-Length": str(blanks + len(reply.body))})
        else:
            self._head(reply, "gzip" if how == "gzip" else None, {"Transfer-Encoding": "chunked"})
        pieces = _inflated(blanks, reply.body)
        for piece in _gzipped(pieces) if how == "gzip" else pieces:
            self._write(piece if how == "length" else b"%x\r\n%s\r\n" % (len(piece), piece))
        if how != "length":
            self._write(b"0\r\n\r\n")

    def _head(self, reply: Reply, encoding: str | None, more: dict[str, str]) -> None:
        self.handler.send_response(reply.status)
        headers = {"Content-Type": reply.content_type, **reply.headers, **more}
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        for name, value in headers.items():
            self.handler.send_header(name, value)
        self.handler.end_headers()

    def _write(self, data: bytes) -> None:
        self.handler.wfile.write(data)


@lru_cache(maxsize=16)
def _packed(body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=4, mtime=0)


def _inflated(blanks: int, body: bytes) -> Iterator[bytes]:
    """White space, then the document: still valid JSON for a client that reads all of it."""
    for start in range(0, blanks, CHUNK):
        yield b" " * min(CHUNK, blanks - start)
    yield body


def _gzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    for piece in pieces:
        packed = packer.compress(piece)
        if packed:
            yield packed
    yield packer.flush()
