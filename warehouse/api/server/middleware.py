"""What every request passes: request id, key, rate limit, one generation to read, its cache, compression, the log.

The outermost layer of the application. A kept answer is found by what the raw scope says and sent from here: neither routes nor parameters
are looked at. Everything here runs in the thread of the event loop, but for packing and opening a generation.
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
from warehouse.api.server.request import Arrival, matches
from warehouse.api.server.responses import Answer, Headers
from warehouse.home.paths import Home
from warehouse.settings import Settings

log = logging.getLogger("strikehouse.api")
LONGEST_QUESTION = 8 * 1024  # bytes of path and query
LARGEST_HEADERS = 32 * 1024  # bytes of all of them
OPEN_PATHS = frozenset({"/health", "/openapi.json"})


class Gate:
    """ASGI in, ASGI out. Bodies are JSON and held whole, so that they can be kept and compressed."""

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
        self._told: dict[str, tuple[Rate, Headers]] = {}  # dialect → its headers of the last rate
        shown = settings.model_dump_json(exclude={"api": {"keys"}})
        self._salt = sha256(shown.encode()).hexdigest()[:12]  # another setting may give another answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await (self._live(receive, send) if scope["type"] == "lifespan" else self._app(scope, receive, send))
            return
        arrival = Arrival.of(scope, self._dialects)
        self._metrics.under_way += 1
        try:
            answer = await self._answer(arrival, receive)
            await self._send(arrival, answer, send)
        finally:
            self._metrics.under_way -= 1

    async def _live(self, receive: Receive, send: Send) -> None:
        """From the server's start to its end; the log's last lines are written then."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._access_log.flush()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _answer(self, arrival: Arrival, receive: Receive) -> Answer:
        try:
            return self._refused(arrival) or self._kept(arrival) or await self._made(arrival, receive)
        except WarehouseError as error:
            log.error("%s %s", arrival.request_id, error)
            return self._refuse(arrival, Reason.UNAVAILABLE, "Nothing can be read at the moment; the log says why.")
        except Exception:
            log.exception("%s failed", arrival.request_id)
            return self._refuse(arrival, Reason.INTERNAL, f"Something failed; the log has it under {arrival.request_id}.")

    def _refused(self, arrival: Arrival) -> Answer | None:
        """Size, then key and rate limit, which open paths have not."""
        if len(arrival.path) + len(arrival.query) > LONGEST_QUESTION:
            return self._refuse(arrival, Reason.TOO_LONG, f"Path and query may have {LONGEST_QUESTION:,} bytes together.")
        if sum(len(name) + len(value) for name, value in arrival.scope["headers"]) > LARGEST_HEADERS:
            return self._refuse(arrival, Reason.TOO_MANY_HEADERS, f"Headers may have {LARGEST_HEADERS:,} bytes together.")
        return None if arrival.path in self._open_paths else self._not_admitted(arrival)

    def _not_admitted(self, arrival: Arrival) -> Answer | None:
        """Key and rate limit. An address that gave too many wrong keys is refused without a look at the next."""
        caller = f"client {arrival.client}"
        if self._keys.are_asked:
            wrong = self._wrong_keys.standing(caller)
            if wrong.is_exceeded:
                arrival.rate = wrong
                return self._refuse(arrival, Reason.BUSY, f"{wrong.limit} wrong keys in a minute. Wait until the next one.")
            given = arrival.any_key
            arrival.key = self._keys.number_of(given)
            if arrival.key is None:
                if given is not None:
                    self._wrong_keys.take(caller)
                return self._refuse(arrival, Reason.UNAUTHORIZED, "Invalid API key.")
            caller = f"key {arrival.key}"
        arrival.rate = self._limit.take(caller)
        if arrival.rate.is_exceeded:
            return self._refuse(arrival, Reason.BUSY, arrival.rate.refusal)
        if arrival.scope["method"] == "GET" and arrival.path != self._settings.metrics_path:
            arrival.question = arrival.asks()
        return None

    def _kept(self, arrival: Arrival) -> Answer | None:
        """What is known already; None while the live generation is not open."""
        if arrival.question is None:
            return None
        arrival.generation = generation = self._generations.known()
        if generation is None:
            return None
        kept = generation.answers.get(arrival.question)
        if kept is not None and kept.second is not None and kept.second != int(time.time()):
            kept = None
        if arrival.if_none_match is not None:
            etag = kept.etag if kept is not None else self._etag(generation, arrival.question)
            if etag is not None and matches(arrival.if_none_match, etag):
                arrival.cache = "revalidated"
                return Answer(304, [], b"", "revalidated", etag, generation.number)
        if kept is not None:
            arrival.cache = "hit"
        return kept

    async def _made(self, arrival: Arrival, receive: Receive) -> Answer:
        """An answer that is not there yet; the same question at the same time is asked once."""
        if arrival.question is None:
            if arrival.path == self._settings.metrics_path and arrival.scope["method"] == "GET":
                return Answer(200, [(b"content-type", METRICS_TYPE.encode())], self._metrics.text(), "metrics")
            return await self._asked(arrival, receive)
        generation = arrival.generation
        if generation is None:
            generation = await run_in_threadpool(self._generations.current)
        if arrival.question in generation.under_way or arrival.generation is None:
            arrival.generation = generation
            if arrival.question in generation.under_way:
                await generation.under_way[arrival.question].wait()
            # of the generation that was live when it began, also when another was published meanwhile
            kept = generation.answers.get(arrival.question)
            if kept is not None and kept.second in (None, int(time.time())):
                arrival.cache = "hit"
                return kept
        done = generation.under_way[arrival.question] = asyncio.Event()
        try:
            return await self._kept_answer(arrival, receive, generation, arrival.question)
        finally:
            done.set()
            if generation.under_way.get(arrival.question) is done:
                del generation.under_way[arrival.question]

    async def _kept_answer(self, arrival: Arrival, receive: Receive, generation: Generation, question: tuple[str, str]) -> Answer:
        """What the application answers, put into the cache where that is allowed."""
        answer = await self._asked(arrival, receive)
        answer.generation = generation.number
        state = arrival.scope["state"]
        if answer.status != 200 or not state.get("may_keep", False):
            return answer
        answer.second = state.get("second")
        if answer.second is None:
            answer.etag = self._etag(generation, question)
        arrival.cache = "miss"
        if answer.is_worth_packing:
            await run_in_threadpool(answer.pack)  # now: those who come next do not wait for a thread
        generation.answers.put(question, answer, answer.size)
        return answer

    async def _asked(self, arrival: Arrival, receive: Receive) -> Answer:
        """What the application answers."""
        state: dict[str, Any] = {**arrival.scope.get("state", {}), "request_id": arrival.request_id, "rate": arrival.rate}
        state |= {"dialect": arrival.dialect}
        if arrival.generation is not None:
            timeout_s, max_rows = self._settings.timeout_s, self._settings.max_rows
            state["warehouse"] = Reading(self._home, arrival.generation, timeout_s=timeout_s, max_rows=max_rows)
        arrival.scope = {**arrival.scope, "path": arrival.path, "state": state}
        held = Answer(500, [], b"")
        parts: list[bytes] = []

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                held.status, held.headers = message["status"], list(message["headers"])
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await self._app(arrival.scope, receive, hold)
        held.body = b"".join(parts)
        if held.status == 200 and "renewed" in state:
            held.body, held.renewed = state["head"], state["renewed"]
        held.endpoint = state.get("endpoint", "unmatched")
        return held

    def _etag(self, generation: Generation, question: tuple[str, str]) -> str:
        """Weak: the same generation, settings and question mean the same answer, packed or not."""
        return f'W/"{generation.number}-{sha256(repr((generation.stamp, self._salt, question)).encode()).hexdigest()[:20]}"'

    def _refuse(self, arrival: Arrival, reason: Reason, message: str) -> Answer:
        return Answer.of(arrival.dialect.refuse(Refusal(reason, message, arrival.request_id, arrival.rate)))

    async def _send(self, arrival: Arrival, answer: Answer, send: Send) -> None:
        is_packed = arrival.takes_gzip and answer.is_worth_packing
        if is_packed and answer.packed is None:
            await run_in_threadpool(answer.pack)
        if answer.generation is None and arrival.generation is not None:
            answer.generation = arrival.generation.number
        headers, body = answer.sent(arrival.request_id, arrival.rate, self._of_rate(arrival), is_packed=is_packed)
        self._note(arrival, answer, len(body))  # first: what is counted is there for whoever has the answer
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if arrival.scope["method"] == "HEAD" else body})

    def _of_rate(self, arrival: Arrival) -> Headers:
        """Headers that say where a caller stands, as the dialect has them."""
        rate = arrival.rate
        if rate is None:
            return []
        last = self._told.get(arrival.dialect.name)
        if last is None or last[0] is not rate:
            told = dict(arrival.dialect.rate_headers(rate))
            if rate.is_exceeded:
                told["Retry-After"] = str(rate.retry_after_s)
            last = rate, [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in told.items()]
            self._told[arrival.dialect.name] = last
        return last[1]

    def _note(self, arrival: Arrival, answer: Answer, size: int) -> None:
        served = Served(
            time.time(),
            arrival.request_id,
            arrival.dialect.name,
            arrival.scope["method"],
            arrival.path,
            arrival.query,
            answer.endpoint,
            answer.status,
            time.perf_counter() - arrival.started,
            size,
            arrival.cache,
            answer.generation,
            arrival.client,
            arrival.key,
        )
        self._metrics.count(served)
        self._access_log.note(served)
