"""Responses as they are sent and cached: the part that is the same for all clients is built once.

Some bodies end in per-request data (request id, clock, limits). For these the long first part is cached, also compressed, and the end is
built for each request; the gzip format allows a separately compressed end to follow the cached part.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.responses import Response

from warehouse.api.server.keys import Rate

COMPRESS_FROM = 1024  # bytes
LEVEL = 5
# Set by the middleware; endpoints cannot override them.
OURS = frozenset({b"content-length", b"etag", b"cache-control", b"x-request-id", b"vary", b"x-content-type-options"})
_GZIP_HEADER = gzip.compress(b"", LEVEL, mtime=0)[:10]

Headers = list[tuple[bytes, bytes]]
Renewed = Callable[[str, Rate | None], bytes]  # request id, rate of the caller → the end of a body


class Packed:
    """A gzip-compressed body to which an end can be appended."""

    def __init__(self, body: bytes) -> None:
        deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._start = _GZIP_HEADER + deflate.compress(body) + deflate.flush(zlib.Z_FULL_FLUSH)
        self._crc, self._size = zlib.crc32(body), len(body)
        self.whole = self.ended_by(b"")

    def ended_by(self, end: bytes) -> bytes:
        """One gzip stream of the body and its end."""
        deflate = zlib.compressobj(1, zlib.DEFLATED, -9, 1)  # a small window: an end is short
        packed = deflate.compress(end) + deflate.flush()
        return self._start + packed + struct.pack("<LL", zlib.crc32(end, self._crc), (self._size + len(end)) & 0xFFFFFFFF)


@dataclass(slots=True)
class Answer:
    """A whole response, or all of it except the end that `renewed` builds."""

    status: int
    headers: Headers
    body: bytes
    endpoint: str = "unmatched"
    etag: str | None = None
    generation: int | None = None
    renewed: Renewed | None = None
    second: int | None = None  # Unix second in which it is valid; None: as long as its generation
    packed: Packed | None = None
    _shared_headers: dict[bool, Headers] = field(default_factory=dict)

    @classmethod
    def of(cls, response: Response) -> Answer:
        """Build an answer from an unsent response."""
        return cls(response.status_code, list(response.raw_headers), bytes(response.body))

    @property
    def is_worth_packing(self) -> bool:
        """Whether the body is large enough for gzip."""
        return len(self.body) >= COMPRESS_FROM

    @property
    def size(self) -> int:
        """Approximate memory in bytes."""
        return 2 * len(self.body) + 1024

    def pack(self) -> None:
        """Compress the body."""
        if self.packed is None:
            self.packed = Packed(self.body)

    def sent(self, request_id: str, rate: Rate | None, further: Headers, *, is_packed: bool) -> tuple[Headers, bytes]:
        """Headers and body for one request; `further` replace headers of the same names."""
        body = self.body
        if is_packed and self.packed is not None:
            body = self.packed.whole if self.renewed is None else self.packed.ended_by(self.renewed(request_id, rate))
        elif self.renewed is not None:
            body += self.renewed(request_id, rate)
        shared = self._shared_headers.get(is_packed)
        if shared is None:
            shared = self._shared_headers[is_packed] = self._common(is_packed, {name for name, _ in further})
        headers = [*shared, (b"x-request-id", request_id.encode()), *further]
        if self.status != 304:
            headers.append((b"content-length", b"%d" % len(body)))
        return headers, body

    def _common(self, is_packed: bool, further: set[bytes]) -> Headers:
        """The shared headers; responses to rate-limited callers are never cached, so `further` always has the same names."""
        headers = [(name, value) for name, value in self.headers if name.lower() not in OURS and name.lower() not in further]
        if is_packed:
            headers.append((b"content-encoding", b"gzip"))
        headers += [(b"vary", b"Accept-Encoding, X-API-Key"), (b"x-content-type-options", b"nosniff")]
        # no-cache: may be stored, must be revalidated
        headers.append((b"cache-control", b"private, no-cache" if self.etag else b"no-store"))
        if self.etag:
            headers.append((b"etag", self.etag.encode()))
        if self.generation is not None:
            headers.append((b"x-strikehouse-generation", b"%d" % self.generation))
        return headers
