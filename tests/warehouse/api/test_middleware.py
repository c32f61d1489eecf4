"""The gate by itself: what is kept, what is told anew, who is refused, and what is written of it."""

from __future__ import annotations

import gzip
import json
import logging
import random
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from pydantic import SecretStr

from tests.warehouse.api.serving import api_settings
from tests.warehouse.api.test_serving import Lines
from warehouse.api.app import Api, create_app
from warehouse.api.server import access_log as access_log_module
from warehouse.api.server import middleware as middleware_module
from warehouse.api.server.access_log import AccessLog, Served, access_log
from warehouse.api.server.generations import Generations, Reading
from warehouse.api.server.keys import RateLimit
from warehouse.api.server.metrics import BUCKETS, Metrics
from warehouse.api.server.request import accepts_gzip
from warehouse.api.server.responses import Packed
from warehouse.home.paths import Home

NOW = datetime(2026, 3, 3, 1, tzinfo=UTC)
LEVELS = "/v1/exposure/levels/COIN"


class InProcessApi:
    """An application, asked without a server."""

    def __init__(self, app: Api) -> None:
        self.app = app
        app.state.clock = lambda: NOW

    def __call__(self, path: str, client: str = "10.0.0.1", method: str = "GET", **headers: str) -> SimpleNamespace:
        path, _, query = path.partition("?")
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
                 "headers": named, "client": (client, 1), "scheme": "http", "server": ("localhost", 80), "root_path": "",
                 "http_version": "1.1"}  # fmt: skip
        anyio.run(self.app, scope, receive, send)
        response_headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return SimpleNamespace(status=sent[0]["status"], headers=response_headers, body=b"".join(one.get("body", b"") for one in sent[1:]))


@pytest.fixture(scope="module")
def api(small_home: Home) -> InProcessApi:
    return InProcessApi(create_app(small_home, api_settings()))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    handler = Lines()
    access_log.addHandler(handler)
    access_log.setLevel(logging.INFO)
    yield handler.texts
    access_log.removeHandler(handler)
    access_log.setLevel(logging.NOTSET)


# --- what is kept, and what is told anew ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_a_packed_body_takes_any_end(seed: int) -> None:
    draw = random.Random(seed)
    body, ends = draw.randbytes(draw.randint(0, 5000)) + b'{"success":true' * 300, [b"", b"}", draw.randbytes(900)]
    packed = Packed(body)
    for end in ends:
        assert gzip.decompress(packed.ended_by(end)) == body + end
        one = zlib.decompressobj(16 + zlib.MAX_WBITS)  # one stream, as clients that read no second member need it
        assert one.decompress(packed.ended_by(end)) == body + end and one.eof and not one.unused_data
    assert gzip.decompress(packed.whole) == body and len(packed.whole) < len(body)


def test_a_cached_answer_of_the_other_dialect_states_the_moment_anew(small_home: Home) -> None:
    api = InProcessApi(create_app(small_home, api_settings(rate_limit_per_minute=100)))
    path = "/v2/gex/levels?symbol=COINUSDT&include=ranked,max_pain,expected_move,zones,spot"
    first = api(path)
    api.app.state.clock = lambda: NOW.replace(minute=5)
    again, packed = api(path, x_request_id="mine"), api(path, accept_encoding="gzip")
    one, two, three = json.loads(first.body), json.loads(again.body), json.loads(gzip.decompress(packed.body))
    assert one["data"] == two["data"] == three["data"] and list(one["meta"]) == list(two["meta"])
    assert two["meta"]["request_id"] == again.headers["x-request-id"] == "mine" != one["meta"]["request_id"]
    assert two["meta"]["timestamp"] == "2026-03-03T01:05:00.000Z"
    assert two["meta"]["freshness_seconds"] - one["meta"]["freshness_seconds"] == 300
    assert [body["meta"]["rate_limit"]["remaining"] for body in (one, two, three)] == [99, 98, 97]
    assert packed.headers["content-encoding"] == "gzip" and int(packed.headers["content-length"]) == len(packed.body)
    assert first.headers["etag"] == again.headers["etag"] and api(path, if_none_match=first.headers["etag"]).status == 304


def test_a_cached_answer_is_not_computed_again(small_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    api = InProcessApi(create_app(small_home, api_settings()))
    paths = (LEVELS, "/v1/maxpain/COIN", "/v2/gex/max-pain?symbol=COINUSDT", "/v2/multi/gex/levels?symbols=COINUSDT")
    before = [api(path).body for path in paths]
    monkeypatch.setattr(api.app.api_middleware, "_app", lambda *_: pytest.fail("the application was asked"))
    after = [api(path).body for path in paths]
    assert before[:2] == after[:2]
    assert [json.loads(body)["data"] for body in before[2:]] == [json.loads(body)["data"] for body in after[2:]]


def test_the_newest_zero_dte_holds_for_a_second(small_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    api, second = InProcessApi(create_app(small_home, api_settings())), NOW.timestamp()
    clock = SimpleNamespace(time=lambda: second, perf_counter=lambda: 0.0)
    monkeypatch.setattr(middleware_module, "time", clock)
    path = "/v1/exposure/zero-dte/COIN?expiry=2026-03-06"

    def age() -> float:
        api.app.state.clock = lambda: datetime.fromtimestamp(second, UTC)
        answer = api(path)
        assert answer.status == 200 and "etag" not in answer.headers and answer.headers["cache-control"] == "no-store"
        return float(json.loads(answer.body)["metadata"]["snapshot_age_seconds"])

    made: list[str] = []
    routed = api.app.routed
    monkeypatch.setattr(api.app.api_middleware, "_app", lambda scope, *rest: made.append(scope["path"]) or routed(scope, *rest))
    first, same = age(), age()
    second += 0.9
    still = age()
    second += 0.1
    later = age()
    assert first == same == still == later - 1 and len(made) == 2


def test_an_index_is_read_once_for_a_generation_and_unknown_names_are_not_cached(small_home: Home) -> None:
    generation = Generations(small_home, 0).current()
    statement = "select * from core.snapshots where underlying = $underlying"
    one = Reading(small_home, generation, timeout_s=20, max_rows=100).index(statement, {"underlying": "COIN"})
    other = Reading(small_home, generation, timeout_s=20, max_rows=100)
    assert other.index(statement, {"underlying": "COIN"}) is one and one.height
    for number in range(20):
        assert other.index(statement, {"underlying": f"NOBODY{number}"}).is_empty()
    assert len(generation.index) == 1


def test_gzip_is_used_for_those_who_take_it() -> None:
    taken = [b"gzip", b"deflate, gzip;q=0.5", b"*", b"GZIP ; q=1", b"br, " * 300 + b"gzip"]
    refused = [b"", b"identity", b"gzip;q=0", b"gzip; q=0.000", b"br"]
    assert all(map(accepts_gzip, taken)) and not any(map(accepts_gzip, refused))


# --- who is refused ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "header"), [(LEVELS, "retry-after"), ("/v2/gex/levels?symbol=COINUSDT", "retry-after")])
def test_an_address_with_too_many_wrong_keys_waits_for_the_next_minute(
    small_home: Home, monkeypatch: pytest.MonkeyPatch, path: str, header: str
) -> None:
    now = [1_800_000_000.0]
    right = RateLimit
    monkeypatch.setattr(middleware_module, "RateLimit", lambda *limits: right(*limits, clock=lambda: now[0]))
    api = InProcessApi(create_app(small_home, api_settings(keys=(SecretStr("right"),), wrong_keys_per_minute=3)))
    assert [api(path).status for _ in range(9)] == [401] * 9, "no key is no wrong key"
    assert [api(path, x_api_key=f"wrong{number}").status for number in range(5)] == [401, 401, 401, 429, 429]
    refused = api(path, x_api_key="right")
    assert refused.status == 429 and refused.headers[header] == "60"
    body = json.loads(refused.body)
    error = body if path == LEVELS else body["error"]
    assert "wrong keys" in error["message"] and (body.get("limit") == 3 or error.get("details", {}).get("retry_after_seconds") == 60)
    assert api(path, client="10.0.0.2", x_api_key="right").status == 200, "another address"
    now[0] += 60
    assert api(path, x_api_key="right").status == 200


def test_a_right_key_is_never_counted_as_wrong(small_home: Home) -> None:
    api = InProcessApi(create_app(small_home, api_settings(keys=(SecretStr("right"),), wrong_keys_per_minute=1)))
    assert {api(LEVELS, x_api_key="right").status for _ in range(5)} == {200}
    unlimited = InProcessApi(create_app(small_home, api_settings(keys=(SecretStr("right"),), wrong_keys_per_minute=None)))
    assert {unlimited(LEVELS, x_api_key="wrong").status for _ in range(200)} == {401}


def test_a_quota_is_read_without_counting() -> None:
    limit = RateLimit(2, clock=lambda: 1_800_000_030.0)
    assert [limit.peek("one").is_exceeded for _ in range(5)] == [False] * 5
    limit.acquire("one")
    limit.acquire("one")
    assert limit.peek("one").is_exceeded and not limit.peek("other").is_exceeded
    assert not RateLimit(None).peek("one").is_exceeded


# --- what is written of it --------------------------------------------------------------------------------------------------------------


def served(number: int, **changed: Any) -> Served:
    one = Served(
        1_800_000_000 + number / 10, f"id{number}", "flashalpha", "GET", "/v1/x", b"", "/v1/x", 200, 0.0004, 10, "hit", 7, "::1", 1
    )
    return one._replace(**changed)


def test_lines_are_written_in_order_and_all_of_them(lines: list[str]) -> None:
    log = AccessLog()
    for number in range(5000):
        log.note(served(number))
    log.flush()
    assert [json.loads(line)["request_id"] for line in lines] == [f"id{number}" for number in range(5000)]
    assert json.loads(lines[7])["at"] == "2027-01-15T08:00:00.700+00:00" and json.loads(lines[7])["ms"] == 0.4


def test_a_log_that_nobody_reads_loses_lines_and_says_how_many(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log_module, "MOST_WAITING", 10)
    monkeypatch.setattr(access_log_module, "MOMENT_S", 60.0)
    log = AccessLog()
    for number in range(25):
        log.note(served(number))
    log.flush()
    assert len(lines) == 11 and json.loads(lines[-1])["lines_lost"] == 15


def test_without_a_reader_nothing_is_collected() -> None:
    log = AccessLog()
    assert not access_log.isEnabledFor(logging.INFO)
    log.note(served(1))
    assert not log._waiting


def test_our_counters_say_what_the_library_would_count() -> None:
    ours, registry = Metrics(), CollectorRegistry()
    requests = Counter("strikehouse_api_requests", "Requests answered.", ("dialect", "endpoint", "status"), registry=registry)
    seconds = Histogram("strikehouse_api_request_seconds", "Time to answer.", ("dialect", "endpoint"), buckets=BUCKETS, registry=registry)
    draw = random.Random(4)
    for number in range(400):
        dialect, endpoint, status = draw.choice("ab"), draw.choice(("/x", "/y")), draw.choice((200, 404))
        took = draw.choice((*BUCKETS, draw.uniform(0, 40)))
        ours.count(served(number, dialect=dialect, endpoint=endpoint, status=status, seconds=took))
        requests.labels(dialect, endpoint, str(status)).inc()
        seconds.labels(dialect, endpoint).observe(took)

    def samples(text: bytes) -> dict[str, float]:
        ours_too = ("strikehouse_api_requests_total", "strikehouse_api_request_seconds")
        lines = [line for line in text.decode().splitlines() if line.startswith(ours_too) and "_created" not in line]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    expected = samples(generate_latest(registry))
    assert samples(ours.text()) == pytest.approx(expected) and len(expected) > 50
