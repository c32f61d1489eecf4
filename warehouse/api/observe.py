"""What the server says of itself: one line of JSON per request, and metrics. Neither ever holds a key."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

access_log = logging.getLogger("strikehouse.api.access")
BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
KEY_PARAMETERS = ("apikey", "api_key", "key", "token")
LONGEST_SHOWN = 2000  # characters of a path and of a query, so that nobody can fill the log
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Served:
    """One request, when it is over."""

    request_id: str
    dialect: str
    method: str
    path: str  # as it came, percent-escaped
    query: str
    endpoint: str  # the route's template: few values, whatever is asked
    status: int
    seconds: float
    size: int  # bytes of the body that was sent
    cache: str  # hit, miss, revalidated, or none: it may not be kept
    generation: int | None
    client: str
    key: int | None  # which of the keys, counted from 1


def write_access(served: Served) -> None:
    """One line of JSON in the log `strikehouse.api.access`."""
    line = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request_id": served.request_id,
        "client": served.client,
        "key": served.key,
        "dialect": served.dialect,
        "method": served.method,
        "path": served.path[:LONGEST_SHOWN],
        "query": without_keys(served.query[:LONGEST_SHOWN]),
        "endpoint": served.endpoint,
        "status": served.status,
        "ms": round(served.seconds * 1000, 1),
        "bytes": served.size,
        "cache": served.cache,
        "generation": served.generation,
    }
    access_log.info("%s", orjson.dumps(line).decode())


def without_keys(query: str) -> str:
    """A query string whose keys are hidden."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, "hidden" if name.lower() in KEY_PARAMETERS else value) for name, value in pairs])


class Metrics:
    """Counters of one server, in the text format of Prometheus."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("dialect", "endpoint", "status")
        self._requests = Counter("strikehouse_api_requests", "Requests answered.", labels, registry=self._registry)
        self._seconds = Histogram(
            "strikehouse_api_request_seconds", "Time to answer.", ("dialect", "endpoint"), buckets=BUCKETS, registry=self._registry
        )
        self._bytes = Counter("strikehouse_api_sent_bytes", "Bytes of bodies sent.", ("dialect",), registry=self._registry)
        self._cache = Counter("strikehouse_api_cache", "Answers from the cache, or not.", ("result",), registry=self._registry)
        self._generation = Gauge("strikehouse_api_generation", "Generation that requests read.", registry=self._registry)
        self.under_way = Gauge("strikehouse_api_requests_under_way", "Requests that are not answered yet.", registry=self._registry)

    def count(self, served: Served) -> None:
        """Count one request."""
        self._requests.labels(served.dialect, served.endpoint, str(served.status)).inc()
        self._seconds.labels(served.dialect, served.endpoint).observe(served.seconds)
        self._bytes.labels(served.dialect).inc(served.size)
        self._cache.labels(served.cache).inc()
        if served.generation is not None:
            self._generation.set(served.generation)

    def text(self) -> bytes:
        """All of them."""
        return generate_latest(self._registry)
