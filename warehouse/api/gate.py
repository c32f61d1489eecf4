"""What every request passes: request id, key, rate limit, one generation to read, its cache, compression, the log.

The path is handed on as it came, percent-escaped: `BRK%2FB` is one segment, which its endpoint decodes.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import secrets
import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.errors import WarehouseError
from warehouse.api.dialects import Dialect, Reason, Refusal
from warehouse.api.generations import Generation, Generations, Reading
from warehouse.api.keys import Keys, Rate, RateLimit
from warehouse.api.observe import METRICS_TYPE, Metrics, Served, write_access
from warehouse.home import Home
from warehouse.settings import Settings

log = logging.getLogger("strikehouse.api")
COMPRESS_FROM = 1024  # bytes
LONGEST_QUESTION = 8 * 1024  # bytes of path and query
LARGEST_HEADERS = 32 * 1024  # bytes of all of them
OPEN_PATHS = frozenset({"/health", "/openapi.json"})
KEY_QUERY = "apiKey"


@dataclass
class Answer:
    """A whole response; `packed` is its body with gzip, made when first asked for."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    endpoint: str = "unmatched"
    packed: bytes | None = None

    @classmethod
    def of(cls, response: Response) -> Answer:
        """A response that was not sent yet."""
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
        return cls(response.status_code, headers, bytes(response.body))


@dataclass
class Passing:
    """What is known of a request on its way."""

    scope: Scope
    path: str
    dialect: Dialect
    request_id: str
    started: float
    headers: Headers
    key: int | None = None
    rate: Rate | None = None
    generation: Generation | None = None
    cache: str = "none"
    etag: str | None = None
    further: dict[str, str] = field(default_factory=dict)


class Gate:
    """The one middleware: ASGI in, ASGI out. Bodies are JSON and held whole, so that they can be kept and compressed."""

    def __init__(self, app: ASGIApp, *, home: Home, settings: Settings, dialects: tuple[Dialect, ...], generations: Generations) -> None:
        self._app = app
        self._home = home
        self._settings = settings.api
        self._dialects = dialects
        self._generations = generations
        self._keys = Keys(settings.api.keys)
        self._limit = RateLimit(settings.api.rate_limit_per_minute, settings.api.quota_per_month)
        self._metrics = Metrics()
        shown = settings.model_dump_json(exclude={"api": {"keys"}})
        self._salt = sha256(shown.encode()).hexdigest()[:12]  # another setting may give another answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passing = self._begin(scope)
        with self._metrics.under_way.track_inprogress():
            answer = await self._answer(passing, receive)
            await self._send(passing, answer, send)

    def _begin(self, scope: Scope) -> Passing:
        path = (scope.get("raw_path") or scope["path"].encode()).decode("ascii", "backslashreplace")
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", given) else f"req_{secrets.token_hex(8)}"
        dialect = next((one for one in self._dialects if one.owns(path)), self._dialects[0])
        return Passing({**scope, "path": path}, path, dialect, request_id, time.perf_counter(), headers)

    async def _answer(self, passing: Passing, receive: Receive) -> Answer:
        try:
            return self._refused(passing) or await self._allowed(passing, receive)
        except WarehouseError as error:
            log.error("%s %s", passing.request_id, error)
            return self._refuse(passing, Reason.UNAVAILABLE, "Nothing can be read at the moment; the log says why.")
        except Exception:
            log.exception("%s failed", passing.request_id)
            return self._refuse(passing, Reason.INTERNAL, f"Something failed; the log has it under {passing.request_id}.")

    def _refused(self, passing: Passing) -> Answer | None:
        """Size, then key and rate limit, which open paths have not."""
        if len(passing.path) + len(passing.scope.get("query_string", b"")) > LONGEST_QUESTION:
            return self._refuse(passing, Reason.TOO_LONG, f"Path and query may have {LONGEST_QUESTION:,} bytes together.")
        if sum(len(name) + len(value) for name, value in passing.scope["headers"]) > LARGEST_HEADERS:
            return self._refuse(passing, Reason.TOO_MANY_HEADERS, f"Headers may have {LARGEST_HEADERS:,} bytes together.")
        if passing.path in OPEN_PATHS | passing.dialect.open_paths:
            return None
        if self._keys.are_asked:
            passing.key = self._keys.number_of(_given_key(passing))
            if passing.key is None:
                return self._refuse(passing, Reason.UNAUTHORIZED, "Invalid API key.")
        client = passing.scope.get("client")
        caller = f"key {passing.key}" if passing.key else f"client {client[0] if client else '-'}"
        passing.rate = self._limit.take(caller)
        passing.further |= passing.dialect.rate_headers(passing.rate)
        if passing.rate.is_exceeded:
            passing.further["Retry-After"] = str(passing.rate.retry_after_s)
            return self._refuse(passing, Reason.BUSY, passing.rate.refusal)
        return None

    async def _allowed(self, passing: Passing, receive: Receive) -> Answer:
        if passing.path == self._settings.metrics_path and passing.scope["method"] == "GET":
            return Answer(200, [("content-type", METRICS_TYPE)], self._metrics.text(), "metrics")
        is_read = passing.scope["method"] == "GET" and passing.path not in OPEN_PATHS | passing.dialect.open_paths
        if not is_read:
            return await self._asked(passing, receive)
        generation = self._generations.known()
        if generation is None:
            generation = await run_in_threadpool(self._generations.current)
        passing.generation = generation
        question = (passing.path, _query_without_key(passing))
        passing.etag = self._etag(generation, question)
        if _matches(passing.headers.get("if-none-match"), passing.etag):
            passing.cache = "revalidated"
            return Answer(304, [], b"", "revalidated")
        kept = await self._kept(generation, question)
        if kept is not None:
            passing.cache = "hit"
            return kept
        done = generation.under_way[question] = asyncio.Event()
        try:
            return await self._kept_answer(passing, receive, generation, question)
        finally:
            done.set()
            if generation.under_way.get(question) is done:
                del generation.under_way[question]

    async def _kept(self, generation: Generation, question: tuple[str, str]) -> Answer | None:
        """An answer of the cache; waits for one that is being made for somebody else."""
        if question in generation.under_way:
            await generation.under_way[question].wait()
        kept = generation.answers.get(question)
        return kept if isinstance(kept, Answer) else None

    async def _kept_answer(self, passing: Passing, receive: Receive, generation: Generation, question: tuple[str, str]) -> Answer:
        """What the application answers, put into the cache where that is allowed."""
        answer = await self._asked(passing, receive)
        may_keep = passing.scope["state"].get("may_keep", False)
        if answer.status != 200 or not passing.scope["state"].get("has_etag", may_keep):
            passing.etag = None
        if answer.status == 200 and may_keep:
            passing.cache = "miss"
            generation.answers.put(question, answer, 2 * len(answer.body) + 1024)
        return answer

    async def _asked(self, passing: Passing, receive: Receive) -> Answer:
        """What the application answers."""
        state: dict[str, Any] = {**passing.scope.get("state", {}), "request_id": passing.request_id, "rate": passing.rate}
        state |= {"dialect": passing.dialect}
        if passing.generation is not None:
            timeout_s, max_rows = self._settings.timeout_s, self._settings.max_rows
            state["warehouse"] = Reading(self._home, passing.generation, timeout_s=timeout_s, max_rows=max_rows)
        passing.scope["state"] = state
        held = Answer(500, [], b"")
        parts: list[bytes] = []

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                held.status = message["status"]
                held.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await self._app(passing.scope, receive, hold)
        held.body = b"".join(parts)
        held.endpoint = state.get("endpoint", "unmatched")
        return held

    def _etag(self, generation: Generation, question: tuple[str, str]) -> str:
        """Weak: the same generation, settings and question mean the same answer, packed or not."""
        return f'W/"{generation.number}-{sha256(repr((generation.stamp, self._salt, question)).encode()).hexdigest()[:20]}"'

    def _refuse(self, passing: Passing, reason: Reason, message: str) -> Answer:
        passing.etag = None
        return Answer.of(passing.dialect.refuse(Refusal(reason, message, passing.request_id, passing.rate)))

    async def _send(self, passing: Passing, answer: Answer, send: Send) -> None:
        left_out = {"content-length", "etag", "cache-control", "x-request-id", *(name.lower() for name in passing.further)}
        headers = {name: value for name, value in answer.headers if name.lower() not in left_out}
        body = answer.body
        if answer.status != 304 and len(body) >= COMPRESS_FROM and _accepts_gzip(passing.headers.get("accept-encoding", "")):
            if answer.packed is None:
                answer.packed = await run_in_threadpool(gzip.compress, body, 5, mtime=0)
            body = answer.packed
            headers["Content-Encoding"] = "gzip"
        headers |= {"Vary": "Accept-Encoding, X-API-Key", "X-Request-ID": passing.request_id, "X-Content-Type-Options": "nosniff"}
        headers["Cache-Control"] = "private, no-cache" if passing.etag else "no-store"  # no-cache: may be kept, must be asked about
        if passing.etag:
            headers["ETag"] = passing.etag
        if passing.generation is not None:
            headers["X-Strikehouse-Generation"] = str(passing.generation.number)
        headers |= passing.further
        if answer.status != 304:
            headers["Content-Length"] = str(len(body))
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        is_head = passing.scope["method"] == "HEAD"
        self._note(passing, answer, len(body))  # first: who has the answer finds its line in the log
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if is_head else body})

    def _note(self, passing: Passing, answer: Answer, size: int) -> None:
        client = passing.scope.get("client")
        served = Served(
            request_id=passing.request_id,
            dialect=passing.dialect.name,
            method=passing.scope["method"],
            path=passing.path,
            query=passing.scope.get("query_string", b"").decode("latin-1"),
            endpoint=answer.endpoint,
            status=answer.status,
            seconds=time.perf_counter() - passing.started,
            size=size,
            cache=passing.cache,
            generation=passing.generation.number if passing.generation else None,
            client=client[0] if client else "-",
            key=passing.key,
        )
        self._metrics.count(served)
        write_access(served)


def _given_key(passing: Passing) -> bytes | None:
    header = next((value for name, value in passing.scope["headers"] if name == b"x-api-key"), None)
    if header is not None:
        return bytes(header)
    pairs = parse_qsl(passing.scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True, encoding="utf-8")
    return next((value.encode() for name, value in pairs if name == KEY_QUERY), None)


def _query_without_key(passing: Passing) -> str:
    """Parameters in order of name: the same question in another order is the same question."""
    pairs = parse_qsl(passing.scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    return repr(sorted(pair for pair in pairs if pair[0] != KEY_QUERY))


def _matches(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names the tag. `*` does not: it would need the answer to be computed."""
    return header is not None and etag.removeprefix("W/") in {one.strip().removeprefix("W/") for one in header.split(",")}


def _accepts_gzip(header: str) -> bool:
    for one in header.lower().split(","):
        name, _, quality = one.partition(";")
        if name.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
