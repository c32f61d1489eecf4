"""The server around the dialects: keys, cache, compression, log, metrics, publications under load."""

from __future__ import annotations

import gzip
import json
import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from models.errors import QueryTooLarge, QueryTooSlow, UsageError
from tests.commands import strikehouse
from tests.conftest import Demo
from tests.warehouse.api.serving import api_settings, serving
from tests.warehouse.read.test_readers import republish
from warehouse.api.server.access_log import access_log, without_keys
from warehouse.api.server.generations import Generations, Reading, Remembered
from warehouse.api.server.keys import Keys, RateLimit, check_bind
from warehouse.home.paths import Home

PATH = "/v1/exposure/levels/SPY"


def raw(url: str, **headers: str) -> tuple[requests.Response, bytes]:
    """A response and its body as it came over the wire."""
    answer = requests.get(url, headers={"Accept-Encoding": "identity", **headers}, stream=True, timeout=30)
    return answer, answer.raw.read(decode_content=False)


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._more = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._more:
            self.texts += record.getMessage().splitlines()
            self._more.notify_all()

    def written(self, count: int) -> list[str]:
        """What is logged, when so many lines are there: a thread writes them a moment after the answer."""
        with self._more:
            self._more.wait_for(lambda: len(self.texts) >= count, timeout=10)
        return self.texts


@pytest.fixture
def lines() -> Iterator[list[str]]:
    handler = Lines()
    before = access_log.level
    access_log.addHandler(handler)
    access_log.setLevel(logging.INFO)
    yield handler.texts
    access_log.removeHandler(handler)
    access_log.setLevel(before)


# --- keys -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])  # noqa: S104
def test_without_keys_it_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(UsageError, match="STRIKEHOUSE_API__KEYS"):
        check_bind(host, ())
    check_bind(host, (SecretStr("key"),))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    check_bind(host, ())


def test_the_command_refuses_to_listen_further(tmp_path: Any) -> None:
    said = strikehouse(tmp_path / "home", "api", "--host", "0.0.0.0")  # noqa: S104
    assert said.returncode == 2 and "loopback only, not on 0.0.0.0" in said.stderr and not said.stdout


def test_each_key_is_known_by_its_number_and_no_other_is() -> None:
    keys = Keys(tuple(map(SecretStr, ("alpha", "beta", "gamma"))))
    assert [keys.number_of(one) for one in (b"alpha", b"beta", b"gamma", b"alph", b"alphaa", b"", None)] == [
        1,
        2,
        3,
        None,
        None,
        None,
        None,
    ]
    assert not Keys(()).are_required


def test_the_comparison_looks_at_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    from warehouse.api.server import keys as module

    compared: list[bytes] = []
    right = module.hmac.compare_digest
    monkeypatch.setattr(module.hmac, "compare_digest", lambda one, other: compared.append(other) or right(one, other))
    for given in (b"alpha", b"nobody"):
        compared.clear()
        Keys(tuple(map(SecretStr, ("alpha", "beta", "gamma")))).number_of(given)
        assert len(compared) == 3 and {len(one) for one in compared} == {32}


def test_a_minute_begins_with_the_clocks() -> None:
    now = [1_800_000_030.5]
    limit = RateLimit(2, clock=lambda: now[0])
    taken = [limit.acquire("one") for _ in range(3)]
    assert [one.is_exceeded for one in taken] == [False, False, True]
    assert [one.remaining for one in taken] == [1, 0, 0]
    assert taken[2].retry_after_s == 30 and taken[2].reset_at.timestamp() == 1_800_000_060
    assert not limit.acquire("other").is_exceeded
    now[0] = 1_800_000_060.0
    assert not limit.acquire("one").is_exceeded


def test_a_quota_is_of_a_month_and_what_is_refused_in_its_minute_does_not_count() -> None:
    now = [datetime(2026, 12, 31, 23, 58, 30, tzinfo=UTC).timestamp()]
    limit = RateLimit(2, 3, clock=lambda: now[0])
    taken = [limit.acquire("one") for _ in range(3)]
    assert [one.is_exceeded for one in taken] == [False, False, True] and [one.quota.used for one in taken] == [1, 2, 2]
    assert taken[2].spent[:2] == (2, "minute") and taken[2].retry_after_s == 30
    now[0] += 60
    last, over = limit.acquire("one"), limit.acquire("one")
    assert (last.is_exceeded, last.quota.used, over.is_exceeded, over.quota.used) == (False, 3, True, 3)
    assert over.spent == (3, "month", datetime(2027, 1, 1, tzinfo=UTC)) and over.retry_after_s == 30
    assert over.refusal == "More than 3 requests in a month. Wait until the next one."
    assert not limit.acquire("other").is_exceeded
    now[0] = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    fresh = limit.acquire("one")
    assert (fresh.is_exceeded, fresh.quota.used, fresh.quota.period) == (False, 1, date(2027, 1, 1))


def test_the_access_log_is_json_and_holds_no_key(demo: Demo, lines: list[str]) -> None:
    with serving(demo.home, api_settings(keys=("topsecret",))) as url:
        requests.get(f"{url}{PATH}?apiKey=topsecret&at=2026-11-17", timeout=30)
        requests.get(f"{url}{PATH}", headers={"X-Api-Key": "topsecret", "X-Request-ID": "mine.1"}, timeout=30)
        requests.get(f"{url}{PATH}?apiKey=nearlysecret", timeout=30)
    assert not any("secret" in line for line in lines)
    first, second, third = map(json.loads, lines)
    assert first["query"] == "apiKey=hidden&at=2026-11-17" and first["key"] == 1 and first["status"] == 200
    assert second["request_id"] == "mine.1" and second["endpoint"] == "/v1/exposure/levels/{symbol}"
    assert third["status"] == 401 and third["key"] is None
    assert {"at", "client", "dialect", "method", "path", "ms", "bytes", "cache", "generation"} <= set(first)
    assert without_keys("APIKEY=a&b=c") == "APIKEY=hidden&b=c"


def test_a_request_id_that_could_break_the_log_is_replaced(demo_url: str) -> None:
    answer = requests.get(f"{demo_url}{PATH}", headers={"X-Request-ID": 'x"} {"a":1'}, timeout=30)
    assert answer.headers["X-Request-ID"].startswith("req_")


# --- cache ------------------------------------------------------------------------------------------------------------------------------


def test_an_answer_is_cached_for_its_generation_and_confirmed_by_its_tag(demo: Demo, lines: list[str]) -> None:
    with serving(demo.home) as url:
        first = requests.get(f"{url}{PATH}?a=1&b=2", timeout=30)
        again = requests.get(f"{url}{PATH}?b=2&a=1", timeout=30)
        tag = first.headers["ETag"]
        confirmed = requests.get(f"{url}{PATH}?a=1&b=2", headers={"If-None-Match": f'"x", {tag}'}, timeout=30)
        other = requests.get(f"{url}{PATH}?a=2", headers={"If-None-Match": tag}, timeout=30)
    assert first.content == again.content and again.headers["ETag"] == tag
    assert first.headers["Cache-Control"] == "private, no-cache" and first.headers["X-Strikehouse-Generation"] == "2"
    assert (confirmed.status_code, confirmed.content, confirmed.headers["ETag"]) == (304, b"", tag)
    assert (other.status_code, other.headers["ETag"] == tag) == (200, False)
    assert [json.loads(line)["cache"] for line in lines] == ["miss", "hit", "revalidated", "miss"]


def test_the_same_question_at_the_same_time_is_worked_out_once(demo: Demo, lines: list[str]) -> None:
    with serving(demo.home) as url:
        path = f"{url}/v1/maxpain/SPX?expiration=2026-12-18"
        threads = [threading.Thread(target=requests.get, args=(path,), kwargs={"timeout": 60}) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    assert sorted(json.loads(line)["cache"] for line in lines) == ["hit"] * 5 + ["miss"]


def test_errors_and_what_ages_are_not_cached(demo_url: str) -> None:
    for path in ("/v1/maxpain/NOPE", "/v1/maxpain/SPY?expiration=x", "/v1/exposure/zero-dte/BTC", "/health"):
        answer = requests.get(f"{demo_url}{path}", timeout=30)
        assert "ETag" not in answer.headers and answer.headers["Cache-Control"] == "no-store", path
    then = requests.get(f"{demo_url}/v1/exposure/zero-dte/BTC?at=2026-11-17T18:00:00", timeout=30)
    assert "ETag" in then.headers
    assert then.json()["metadata"]["snapshot_age_seconds"] == pytest.approx(19 * 60 + 17, abs=1), "until the moment asked"


def test_large_answers_are_packed_for_those_who_take_them(demo_url: str) -> None:
    plain, body = raw(f"{demo_url}/v1/maxpain/SPY")
    packed, small = raw(f"{demo_url}/v1/maxpain/SPY", **{"Accept-Encoding": "br, gzip;q=0.5"})
    refused, _ = raw(f"{demo_url}/v1/maxpain/SPY", **{"Accept-Encoding": "gzip;q=0"})
    assert (
        "Content-Encoding" not in plain.headers
        and packed.headers["Content-Encoding"] == "gzip"
        and "Content-Encoding" not in refused.headers
    )
    assert gzip.decompress(small) == body and len(small) < len(body) / 3
    assert int(packed.headers["Content-Length"]) == len(small) and "Accept-Encoding" in packed.headers["Vary"]
    short, _ = raw(f"{demo_url}{PATH}", **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in short.headers


def test_a_question_is_stopped_at_the_deadline_of_its_request(demo: Demo) -> None:
    generation = Generations(demo.home, 0).current()
    reading = Reading(demo.home, generation, timeout_s=0.3, max_rows=10)
    started = time.monotonic()
    with pytest.raises(QueryTooSlow, match=r"0\.3 s"):
        reading.sql("select sum(a.range * b.range) from range(1000000) as a, range(1000000) as b")
    with pytest.raises(QueryTooSlow):
        reading.sql("select 1")
    assert time.monotonic() - started < 20
    fresh = Reading(demo.home, generation, timeout_s=20, max_rows=10)
    assert fresh.sql("from range(10)").height == 10
    with pytest.raises(QueryTooLarge, match="11 rows; at most 10"):
        fresh.sql("from range(11)")


def test_what_is_remembered_has_a_size() -> None:
    cache: Remembered[str] = Remembered(100)
    for name in "abcd":
        cache.put(name, name.upper(), 25)
    cache.get("a")
    cache.put("e", "E", 20)
    assert [cache.get(name) for name in "abcde"] == ["A", None, "C", "D", "E"]
    cache.put("large", "L", 26)
    assert cache.get("large") is None
    cache.put("a", "A2", 5)
    cache.put("f", "F", 25)
    assert [cache.get(name) for name in "acdef"] == ["A2", "C", "D", "E", "F"]


# --- metrics ----------------------------------------------------------------------------------------------------------------------------


def test_metrics_are_there_only_on_request(demo: Demo, demo_url: str) -> None:
    assert requests.get(f"{demo_url}/metrics", timeout=30).status_code == 404
    with serving(demo.home, api_settings(metrics_path="/metrics", keys=("key",))) as url:
        for _ in range(3):
            requests.get(f"{url}{PATH}", headers={"X-API-Key": "key"}, timeout=30)
        assert requests.get(f"{url}/metrics", timeout=30).status_code == 401
        text = requests.get(f"{url}/metrics", headers={"X-API-Key": "key"}, timeout=30).text
    assert 'strikehouse_api_requests_total{dialect="flashalpha",endpoint="/v1/exposure/levels/{symbol}",status="200"} 3.0' in text
    assert 'strikehouse_api_cache_total{result="hit"} 2.0' in text and "strikehouse_api_generation 2.0" in text
    assert 'le="0.1"' in text and "key" not in text.replace("strikehouse", "")


# --- publications -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_publications_under_load_fail_no_request_and_are_served_at_once(demo_copy: Home) -> None:
    failed: list[Any] = []
    seen: set[str] = set()
    stop = threading.Event()

    def ask(url: str, path: str) -> None:
        session = requests.Session()
        while not stop.is_set():
            answer = session.get(f"{url}{path}", timeout=30)
            seen.add(answer.headers.get("X-Strikehouse-Generation", "none"))
            if answer.status_code != 200:
                failed.append((path, answer.status_code, answer.text))

    with serving(demo_copy, api_settings(cache_mb=0)) as url:
        paths = (PATH, "/v1/expected-move/BTC", "/v1/options/ETH")
        threads = [threading.Thread(target=ask, args=(url, path)) for path in paths]
        for thread in threads:
            thread.start()
        try:
            tag = requests.get(f"{url}{PATH}", timeout=30).headers["ETag"]
            for generation in (3, 4, 5):
                republish(demo_copy, 100 + generation)
                answer = requests.get(f"{url}{PATH}", headers={"If-None-Match": tag}, timeout=30)
                assert answer.status_code == 200 and answer.headers["X-Strikehouse-Generation"] == str(generation)
                tag = answer.headers["ETag"]
        finally:
            stop.set()
            for thread in threads:
                thread.join(timeout=30)
    assert not failed
    assert {"3", "4", "5"} <= seen


def test_a_damaged_publication_leaves_the_last_good_one_to_readers(demo_copy: Home) -> None:
    with serving(demo_copy) as url:
        assert requests.get(f"{url}{PATH}", timeout=30).status_code == 200
        damaged = demo_copy.published_file.with_suffix(".new")
        damaged.write_bytes(b"not a database" * 100)
        damaged.replace(demo_copy.published_file)
        answer = requests.get(f"{url}/v1/expected-move/BTC", timeout=30)
        assert answer.status_code == 200 and answer.headers["X-Strikehouse-Generation"] == "2"


def test_the_openapi_document_is_published_without_a_key(demo: Demo) -> None:
    with serving(demo.home, api_settings(keys=("key",))) as url:
        document = requests.get(f"{url}/openapi.json", timeout=30).json()
    paths = document["paths"]
    assert (
        len([path for path in paths if path.startswith("/v1/")])
        == len([path for path in paths if path.startswith("/historical/v1/")])
        == 10
    )
    of_historical = {one["name"]: one for one in paths["/historical/v1/maxpain/{symbol}"]["get"]["parameters"]}
    assert of_historical["at"]["required"] is True
    assert {"400", "401", "404", "429", "503", "504"} <= set(paths["/v1/maxpain/{symbol}"]["get"]["responses"])
    # each dialect has models of that name, so they stand under their modules'
    points = [one for name, one in document["components"]["schemas"].items() if name.endswith("PainPoint") and "flashalpha" in name]
    (curve,) = (one["properties"]["call_pain"] for one in points)
    assert curve["type"] == "number" and curve["description"] == "USD"
