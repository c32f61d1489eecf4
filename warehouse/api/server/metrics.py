"""Counters of one server, in the text format of Prometheus.

The counters are plain numbers that only the event loop's thread changes: the library's counters take a lock and look up labels each time,
which costs more than a cached response. The library only formats the text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from warehouse.api.server.access_log import Served

BUCKETS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Times:
    """Histogram of request durations."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0


class Metrics(Collector):
    """Request counters since the server started. Only one thread may write."""

    def __init__(self) -> None:
        self.under_way = 0
        self._requests: Counter[tuple[str, str, int]] = Counter()  # dialect, endpoint, status
        self._times: defaultdict[tuple[str, str], _Times] = defaultdict(_Times)
        self._bytes: Counter[str] = Counter()
        self._cache: Counter[str] = Counter()
        self._generation: int | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def count(self, served: Served) -> None:
        """Count one request."""
        self._requests[served.dialect, served.endpoint, served.status] += 1
        times = self._times[served.dialect, served.endpoint]
        times.counts[bisect_left(BUCKETS, served.seconds)] += 1
        times.seconds += served.seconds
        self._bytes[served.dialect] += served.size
        self._cache[served.cache] += 1
        if served.generation is not None:
            self._generation = served.generation

    def text(self) -> bytes:
        """The metrics in text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The metrics in the form of the library."""
        requests = CounterMetricFamily("strikehouse_api_requests", "Requests answered.", labels=("dialect", "endpoint", "status"))
        for (dialect, endpoint, status), count in sorted(self._requests.items()):
            requests.add_metric((dialect, endpoint, str(status)), count)
        yield requests
        seconds = HistogramMetricFamily("strikehouse_api_request_seconds", "Time to answer.", labels=("dialect", "endpoint"))
        for labels, times in sorted(self._times.items()):
            upto = [sum(times.counts[: index + 1]) for index in range(len(times.counts))]
            bounds = [*map(str, BUCKETS), "+Inf"]
            seconds.add_metric(labels, list(zip(bounds, upto, strict=True)), times.seconds)
        yield seconds
        sent = CounterMetricFamily("strikehouse_api_sent_bytes", "Bytes of bodies sent.", labels=("dialect",))
        for dialect, size in sorted(self._bytes.items()):
            sent.add_metric((dialect,), size)
        yield sent
        cache = CounterMetricFamily("strikehouse_api_cache", "Answers from the cache, or not.", labels=("result",))
        for result, count in sorted(self._cache.items()):
            cache.add_metric((result,), count)
        yield cache
        if self._generation is not None:
            yield GaugeMetricFamily("strikehouse_api_generation", "Generation that requests read.", value=self._generation)
        yield GaugeMetricFamily("strikehouse_api_requests_under_way", "Requests that are not answered yet.", value=self.under_way)
