"""The middleware of all requests: request id, key, rate limit, generation, cache, compression, access log.

It is the outermost layer of the application. A cached response is looked up by the raw scope and sent from here, without routing or
parameter parsing. All of it runs in the event loop's thread, except compressing a body and opening a generation.
"""

from __future__ import annotations

import asyncio
import logging
import time
from hashlib import sha256
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.errors import WarehouseError
from warehouse.api.dialects import Dialect, Reason, Refusal
from warehouse.api.server.access_log import AccessLog, Served
from warehouse.api.server.generations import Generation, Generations, Reading
from warehouse.api.server.keys import Keys, Rate, RateLimit
from warehouse.api.server.metrics import METRICS_TYPE, Metrics
from warehouse.api.server.request import ApiRequest, matches
from warehouse.api.server.responses import Answer, Headers
from warehouse.home.paths import Home
from warehouse.settings import Settings

log = logging.getLogger("strikehouse.api")
LONGEST_QUESTION = 8 * 1024  # bytes of path and query
LARGEST_HEADERS = 32 * 1024  # bytes of all of them
OPEN_PATHS = frozenset({"/health", "/openapi.json"})


class ApiMiddleware:
    """ASGI middleware. Bodies are JSON and fully buffered, so that they can be cached and compressed."""

    def __init__(self, app: ASGIApp, *, home: Home, settings: Settings, dialects: tuple[Dialect, ...], generations: Generations) -> None:
        self._app = app
        self._home = home
        self._settings = settings.api
        self._dialects = dialects
        self._open_paths = OPEN_PATHS.union(*(one.open_paths for one in dialects))
        self._generations = generations
        self._keys = Keys(settings.api.keys)
        self._limit = RateLimit(settings.api.rate_limit_per_minute, settings.api.quota_per_month)
        self._wrong_keys = RateLimit(settings.api.wrong_keys_per_minute)
        self._metrics = Metrics()
        self._access_log = AccessLog()
        self._rate_headers: dict[str, tuple[Rate, Headers]] = {}  # dialect → its headers of the last rate
        shown = settings.model_dump_json(exclude={"api": {"keys"}})
        self._salt = sha256(shown.encode()).hexdigest()[:12]  # other settings may give other responses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await (self._live(receive, send) if scope["type"] == "lifespan" else self._app(scope, receive, send))
            return
        request = ApiRequest.of(scope, self._dialects)
        self._metrics.under_way += 1
        try:
            answer = await self._answer(request, receive)
            await self._send(request, answer, send)
        finally:
            self._metrics.under_way -= 1

    async def _live(self, receive: Receive, send: Send) -> None:
        """Run the lifespan of the server; the access log is flushed at its end."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._access_log.flush()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _answer(self, request: ApiRequest, receive: Receive) -> Answer:
        try:
            return self._refused(request) or self._cached(request) or await self._made(request, receive)
        except WarehouseError as error:
            log.error("%s %s", request.request_id, error)
            return self._refuse(request, Reason.UNAVAILABLE, "Nothing can be read at the moment; the log says why.")
        except Exception:
            log.exception("%s failed", request.request_id)
            return self._refuse(request, Reason.INTERNAL, f"Something failed; the log has it under {request.request_id}.")

    def _refused(self, request: ApiRequest) -> Answer | None:
        """Check the size, then key and rate limit, except on open paths."""
        if len(request.path) + len(request.query) > LONGEST_QUESTION:
            return self._refuse(request, Reason.TOO_LONG, f"Path and query may have {LONGEST_QUESTION:,} bytes together.")
        if sum(len(name) + len(value) for name, value in request.scope["headers"]) > LARGEST_HEADERS:
            return self._refuse(request, Reason.TOO_MANY_HEADERS, f"Headers may have {LARGEST_HEADERS:,} bytes together.")
        return None if request.path in self._open_paths else self._not_admitted(request)

    def _not_admitted(self, request: ApiRequest) -> Answer | None:
        """Check key and rate limit. An address with too many wrong keys is refused without checking its next key."""
        caller = f"client {request.client}"
        if self._keys.are_required:
            wrong = self._wrong_keys.peek(caller)
            if wrong.is_exceeded:
                request.rate = wrong
                return self._refuse(request, Reason.BUSY, f"{wrong.limit} wrong keys in a minute. Wait until the next one.")
            given = request.any_key
            request.key = self._keys.number_of(given)
            if request.key is None:
                if given is not None:
                    self._wrong_keys.acquire(caller)
                return self._refuse(request, Reason.UNAUTHORIZED, "Invalid API key.")
            caller = f"key {request.key}"
        request.rate = self._limit.acquire(caller)
        if request.rate.is_exceeded:
            return self._refuse(request, Reason.BUSY, request.rate.refusal)
        if request.scope["method"] == "GET" and request.path != self._settings.metrics_path:
            request.question = request.asks()
        return None

    def _cached(self, request: ApiRequest) -> Answer | None:
        """The cached response; None if there is none or the live generation is not open."""
        if request.question is None:
            return None
        request.generation = generation = self._generations.known()
        if generation is None:
            return None
        cached = generation.answers.get(request.question)
        if cached is not None and cached.second is not None and cached.second != int(time.time()):
            cached = None
        if request.if_none_match is not None:
            etag = cached.etag if cached is not None else self._etag(generation, request.question)
            if etag is not None and matches(request.if_none_match, etag):
                request.cache = "revalidated"
                return Answer(304, [], b"", "revalidated", etag, generation.number)
        if cached is not None:
            request.cache = "hit"
        return cached

    async def _made(self, request: ApiRequest, receive: Receive) -> Answer:
        """Compute an uncached response; concurrent equal requests share one computation."""
        if request.question is None:
            if request.path == self._settings.metrics_path and request.scope["method"] == "GET":
                return Answer(200, [(b"content-type", METRICS_TYPE.encode())], self._metrics.text(), "metrics")
            return await self._call_app(request, receive)
        generation = request.generation
        if generation is None:
            generation = await run_in_threadpool(self._generations.current)
        if request.question in generation.under_way or request.generation is None:
            request.generation = generation
            if request.question in generation.under_way:
                await generation.under_way[request.question].wait()
            # of the generation that was live when it began, also when another was published meanwhile
            cached = generation.answers.get(request.question)
            if cached is not None and cached.second in (None, int(time.time())):
                request.cache = "hit"
                return cached
        done = generation.under_way[request.question] = asyncio.Event()
        try:
            return await self._answer_and_cache(request, receive, generation, request.question)
        finally:
            done.set()
            if generation.under_way.get(request.question) is done:
                del generation.under_way[request.question]

    async def _answer_and_cache(self, request: ApiRequest, receive: Receive, generation: Generation, question: tuple[str, str]) -> Answer:
        """Call the application, and cache its response if allowed."""
        answer = await self._call_app(request, receive)
        answer.generation = generation.number
        state = request.scope["state"]
        if answer.status != 200 or not state.get("may_keep", False):
            return answer
        answer.second = state.get("second")
        if answer.second is None:
            answer.etag = self._etag(generation, question)
        request.cache = "miss"
        if answer.is_worth_packing:
            await run_in_threadpool(answer.pack)  # now: later requests need not wait for a thread
        generation.answers.put(question, answer, answer.size)
        return answer

    async def _call_app(self, request: ApiRequest, receive: Receive) -> Answer:
        """The response of the application."""
        state: dict[str, Any] = {**request.scope.get("state", {}), "request_id": request.request_id, "rate": request.rate}
        state |= {"dialect": request.dialect}
        if request.generation is not None:
            timeout_s, max_rows = self._settings.timeout_s, self._settings.max_rows
            state["warehouse"] = Reading(self._home, request.generation, timeout_s=timeout_s, max_rows=max_rows)
        request.scope = {**request.scope, "path": request.path, "state": state}
        answer = Answer(500, [], b"")
        parts: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], list(message["headers"])
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await self._app(request.scope, receive, collect)
        answer.body = b"".join(parts)
        if answer.status == 200 and "renewed" in state:
            answer.body, answer.renewed = state["head"], state["renewed"]
        answer.endpoint = state.get("endpoint", "unmatched")
        return answer

    def _etag(self, generation: Generation, question: tuple[str, str]) -> str:
        """A weak ETag: equal generation, settings and query give an equal response, compressed or not."""
        return f'W/"{generation.number}-{sha256(repr((generation.stamp, self._salt, question)).encode()).hexdigest()[:20]}"'

    def _refuse(self, request: ApiRequest, reason: Reason, message: str) -> Answer:
        return Answer.of(request.dialect.refuse(Refusal(reason, message, request.request_id, request.rate)))

    async def _send(self, request: ApiRequest, answer: Answer, send: Send) -> None:
        is_packed = request.takes_gzip and answer.is_worth_packing
        if is_packed and answer.packed is None:
            await run_in_threadpool(answer.pack)
        if answer.generation is None and request.generation is not None:
            answer.generation = request.generation.number
        headers, body = answer.sent(request.request_id, request.rate, self._of_rate(request), is_packed=is_packed)
        self._note(request, answer, len(body))  # first: metrics include every response that a client has received
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if request.scope["method"] == "HEAD" else body})

    def _of_rate(self, request: ApiRequest) -> Headers:
        """The dialect's rate-limit headers."""
        rate = request.rate
        if rate is None:
            return []
        last = self._rate_headers.get(request.dialect.name)
        if last is None or last[0] is not rate:
            headers = dict(request.dialect.rate_headers(rate))
            if rate.is_exceeded:
                headers["Retry-After"] = str(rate.retry_after_s)
            last = rate, [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
            self._rate_headers[request.dialect.name] = last
        return last[1]

    def _note(self, request: ApiRequest, answer: Answer, size: int) -> None:
        served = Served(
            time.time(),
            request.request_id,
            request.dialect.name,
            request.scope["method"],
            request.path,
            request.query,
            answer.endpoint,
            answer.status,
            time.perf_counter() - request.started,
            size,
            request.cache,
            answer.generation,
            request.client,
            request.key,
        )
        self._metrics.count(served)
        self._access_log.note(served)
