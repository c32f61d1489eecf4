"""The request as the middleware needs it, parsed once from the raw ASGI scope.

The path stays percent-escaped: `BRK%2FB` is one segment, which its endpoint decodes.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

from starlette.types import Scope

from warehouse.api.dialects import Dialect
from warehouse.api.server.generations import Generation
from warehouse.api.server.keys import Rate

KEY_HEADER, KEY_QUERY = b"x-api-key", "apiKey"
SHORT = 512  # bytes of the longest query string or header whose parsing is cached
_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

Question = tuple[str, str]  # path, parameters sorted by name


@dataclass(slots=True)
class ApiRequest:
    """A parsed request."""

    scope: Scope
    path: str
    query: bytes
    dialect: Dialect
    request_id: str
    started: float  # of the performance counter
    client: str  # address, or -
    given_key: bytes | None  # of the header
    if_none_match: bytes | None
    takes_gzip: bool
    key: int | None = None
    rate: Rate | None = None
    generation: Generation | None = None
    question: Question | None = None  # None: its response cannot be shared
    cache: str = "none"

    @classmethod
    def of(cls, scope: Scope, dialects: Sequence[Dialect]) -> ApiRequest:
        """Parse a scope; paths of no dialect belong to the first dialect."""
        path = (scope.get("raw_path") or scope["path"].encode()).decode("ascii", "backslashreplace")
        headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))  # of repeated headers the first
        given = headers.get(b"x-request-id")
        client = scope.get("client")
        return cls(
            scope,
            path,
            scope.get("query_string", b""),
            next((one for one in dialects if one.owns(path)), dialects[0]),
            given.decode() if given is not None and _ID.fullmatch(given) else f"req_{secrets.token_hex(8)}",
            time.perf_counter(),
            client[0] if client else "-",
            headers.get(KEY_HEADER),
            headers.get(b"if-none-match"),
            accepts_gzip(headers.get(b"accept-encoding", b"")),
        )

    @property
    def any_key(self) -> bytes | None:
        """The key of the header, else of the query string."""
        if self.given_key is not None:
            return self.given_key
        pairs = parse_qsl(self.query.decode("latin-1"), keep_blank_values=True, encoding="utf-8")
        return next((value.encode() for name, value in pairs if name == KEY_QUERY), None)

    def asks(self) -> Question:
        """The cache key of the request, without its API key: the order of parameters does not matter."""
        if not self.query:
            return self.path, ""
        return self.path, (_parameters if len(self.query) > SHORT else _remembered_parameters)(self.query)


def matches(header: bytes, etag: str) -> bool:
    """Whether If-None-Match names the tag. `*` does not: it would need the answer to be computed."""
    return etag.removeprefix("W/") in {one.strip().removeprefix("W/") for one in header.decode("latin-1").split(",")}


def accepts_gzip(header: bytes) -> bool:
    """Whether Accept-Encoding takes gzip."""
    return (_takes_gzip if len(header) > SHORT else _remembered_gzip)(header)


def _takes_gzip(header: bytes) -> bool:
    for one in header.decode("latin-1").lower().split(","):
        name, _, quality = one.partition(";")
        if name.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _parameters(query: bytes) -> str:
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return repr(sorted(pair for pair in pairs if pair[0] != KEY_QUERY))


_remembered_gzip = lru_cache(maxsize=256)(_takes_gzip)
_remembered_parameters = lru_cache(maxsize=1024)(_parameters)
