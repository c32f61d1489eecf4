"""The HTTP client of all venues, over real HTTP on the loopback."""

from __future__ import annotations

import gzip
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler

import pytest

from flows.sources.http import Pacer, retry_after
from models.chain import RawPayload
from models.errors import DiskProblem, MalformedReply, SettingsError, UnknownSymbol, VenueBusy, VenueError, VenueUnreachable
from tests.flows.sources.conftest import RECEIVED_AT, Clock, Step, Venue, Web, answer, reset, wire

Maker = Callable[..., Venue]


def fine(payload: RawPayload) -> VenueError | None:
    return None


def busy_unless_200(payload: RawPayload) -> VenueError | None:
    return None if payload.status == 200 else VenueBusy(payload.venue, f"HTTP {payload.status}")


def get(client: Venue, path: str = "/api/v2/public/x", judge: Callable[[RawPayload], VenueError | None] = busy_unless_200) -> RawPayload:
    return client.client.get("BTC", "summary", path, judge=judge)


def test_a_reply_holds_what_is_needed_to_read_it_again(web: Web, venue: Maker) -> None:
    web.steps = [answer('{"a": 1}', Content_Type="application/json", Set_Cookie="session=secret")]
    client = venue(base_url=f"{web.url}/deribit/")
    reply = client.client.get("BTC", "summary", "/api/v2/public/x", {"currency": "BTC"}, judge=fine)
    assert (reply.venue, reply.book, reply.name, reply.status, reply.body) == ("deribit", "BTC", "summary", 200, b'{"a": 1}')
    assert (reply.url, reply.params) == (f"{web.url}/deribit/api/v2/public/x", {"currency": "BTC"})
    assert reply.sent_at == reply.received_at == RECEIVED_AT
    assert reply.headers["content-type"] == "application/json"
    assert "set-cookie" not in reply.headers
    assert web.paths == ["/deribit/api/v2/public/x?currency=BTC"], "the venue's whole path follows the base address and its prefix"


def test_it_says_who_it_is_and_takes_gzip(web: Web, venue: Maker) -> None:
    web.steps = [answer(gzip.compress(b'{"a": 1}'), Content_Encoding="gzip")]
    assert get(venue()).body == b'{"a": 1}'
    headers = web.requests[0][1]
    assert headers["User-Agent"].startswith("Strikehouse/2.3 (")
    assert headers["Accept-Encoding"] == "gzip"


def test_every_reply_is_recorded_before_it_is_judged(web: Web, venue: Maker) -> None:
    web.steps = [answer("busy", 503), answer("<html>", 429), answer('{"a": 1}')]
    client = venue()
    seen: list[int] = []

    def judge(payload: RawPayload) -> VenueError | None:
        assert client.archive[-1] is payload
        seen.append(payload.status)
        return busy_unless_200(payload)

    assert get(client, judge=judge) is client.archive[-1]
    assert seen == [reply.status for reply in client.archive] == [503, 429, 200]


def test_an_archive_that_fails_ends_the_request(web: Web, venue: Maker) -> None:
    client = venue().client

    def full(payload: RawPayload) -> None:
        raise DiskProblem("the disk is full")

    client._record = full
    with pytest.raises(DiskProblem):
        client.get("BTC", "summary", "/x", judge=fine)
    assert len(web.requests) == 1


def test_waits_double_from_one_second(web: Web, venue: Maker, clock: Clock) -> None:
    web.steps = [answer(status=500)]
    client = venue(max_attempts=4)
    with pytest.raises(VenueBusy, match="HTTP 500"):
        get(client)
    assert len(web.requests) == len(client.archive) == 4
    assert [wait for wait in clock.slept if wait > 0.1] == [1.5, 2.5, 4.5], "with the jitter of half a second that the test gives"


def test_own_waits_stay_within_the_limit(web: Web, venue: Maker, clock: Clock) -> None:
    web.steps = [answer(status=500)]
    with pytest.raises(VenueBusy):
        get(venue(max_attempts=6, max_wait_s=3))
    assert max(clock.slept) == 3


def test_a_venue_that_wore_out_all_attempts_gets_one_for_each_further_request_until_it_answers(web: Web, venue: Maker) -> None:
    web.steps = [answer(status=500)] * 4 + [answer(), answer(status=500), answer()]
    client = venue(max_attempts=3)
    for expected in (3, 4):
        with pytest.raises(VenueBusy):
            get(client)
        assert len(web.requests) == expected
    get(client)
    get(client)
    assert len(web.requests) == 7, "it has answered, so the last request was tried again"


def test_requests_at_the_same_time_have_all_their_attempts(web: Web, venue: Maker) -> None:
    web.steps = [answer(status=503), answer(status=503), answer()]
    client = venue()
    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda path: get(client, path), ["/a", "/b"]))
    assert [reply.status for reply in replies] == [200, 200]


@pytest.mark.parametrize("value", ["7", "Fri, 13 Nov 2026 18:45:27 GMT"])
def test_retry_after_is_obeyed(web: Web, venue: Maker, clock: Clock, value: str) -> None:
    web.steps = [answer(status=429, Retry_After=value), answer()]
    get(venue())
    assert clock.slept == [pytest.approx(7)]


def test_retry_after_in_all_its_forms() -> None:
    now = datetime(2026, 11, 13, 18, 45, 20, tzinfo=UTC)
    assert retry_after("120", now) == 120
    assert retry_after(" 0 ", now) == 0
    assert retry_after("Fri, 13 Nov 2026 18:46:20 GMT", now) == 60
    assert retry_after("Fri, 13 Nov 2026 18:46:20 -0000", now) == 60
    assert retry_after("Fri, 13 Nov 2026 18:00:00 GMT", now) == 0, "a date in the past asks for nothing"
    assert [retry_after(value, now) for value in (None, "", "soon", "-5", "1.5", "²")] == [None] * 6
    assert retry_after("9" * 400, now) == 366 * 86_400


def test_a_long_rest_fails_at_once_and_is_remembered(web: Web, venue: Maker, clock: Clock) -> None:
    web.steps = [answer(status=429, Retry_After="120")]
    client = venue(max_wait_s=30)
    with pytest.raises(VenueBusy, match="rest of 120 s") as caught:
        get(client)
    until = RECEIVED_AT + timedelta(seconds=120)
    assert caught.value.rest_until == client.client.rest_until == until
    assert clock.slept == []
    with pytest.raises(VenueBusy, match="not asked before") as again:
        get(client, "/another")
    assert again.value.rest_until == until
    assert len(web.requests) == 1, "no further request leaves"


def test_a_rest_holds_every_request_to_the_venue(clock: Clock) -> None:
    pacer = Pacer(clock.monotonic, clock.sleep)
    with pacer.turn({"max_requests_per_second": 100}):
        pacer.hold(7)  # another thread was asked to wait
        pacer.hold(2)
    with pacer.turn({"max_requests_per_second": 100}):
        assert clock.seconds == pytest.approx(7)


def test_a_rest_from_an_earlier_run_is_honoured(web: Web, venue: Maker, clock: Clock) -> None:
    client = venue(rest_until=RECEIVED_AT + timedelta(seconds=60))
    with pytest.raises(VenueBusy, match="2026-11-13 18:46:20 UTC") as caught:
        get(client)
    assert caught.value.rest_until == RECEIVED_AT + timedelta(seconds=60)
    assert web.requests == []
    clock.seconds = 60
    assert get(client).status == 200


def test_a_rest_that_the_error_tells_counts_like_retry_after(web: Web, venue: Maker, clock: Clock) -> None:
    def judge(payload: RawPayload) -> VenueError | None:
        return VenueBusy("deribit", "slow down", RECEIVED_AT + timedelta(seconds=600))

    with pytest.raises(VenueBusy, match="rest of 600 s"):
        get(venue(), judge=judge)
    assert len(web.requests) == 1


def test_a_short_rest_is_reported_when_attempts_run_out(web: Web, venue: Maker) -> None:
    web.steps = [answer(status=429, Retry_After="2")]
    with pytest.raises(VenueBusy, match="HTTP 429") as caught:
        get(venue(max_attempts=2))
    assert caught.value.rest_until == RECEIVED_AT + timedelta(seconds=4)


def test_a_permanent_error_is_raised_at_once(web: Web, venue: Maker, clock: Clock) -> None:
    for error in (UnknownSymbol("cboe", "no such symbol"), MalformedReply("cboe", "no such field")):
        with pytest.raises(type(error)):
            get(venue(), judge=lambda payload, error=error: error)  # type: ignore[misc]
    assert len(web.requests) == 2
    assert clock.slept == []


HEAD = b"HTTP/1.1 200 OK\r\n"


def reset_in_the_middle(handler: BaseHTTPRequestHandler) -> None:
    wire(HEAD + b"Content-Length: 9\r\n\r\n{}")(handler)
    reset(handler)


BROKEN: dict[str, Step] = {
    "a reset": reset,
    "a reset in the middle": reset_in_the_middle,
    "nothing at all": wire(b""),
    "half of the promised length": wire(HEAD + b"Content-Length: 100\r\n\r\n{}"),
    "an unfinished chunked body": wire(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}"),
    "chunks that are none": wire(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"),
    "no HTTP": wire(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "headers without an end": wire(HEAD + b"X: 1"),
    "gzip that is none": answer(b"this is not gzip", Content_Encoding="gzip"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_reply_heals(web: Web, venue: Maker, fault: str) -> None:
    web.steps = [BROKEN[fault], answer('{"a": 1}')]
    client = venue()
    assert get(client).body == b'{"a": 1}'
    assert len(client.archive) == 1, "what did not arrive whole is no reply"


@pytest.mark.parametrize("fault", BROKEN)
def test_a_reply_that_stays_broken_is_unreachable(web: Web, venue: Maker, fault: str) -> None:
    web.steps = [BROKEN[fault]]
    with pytest.raises(VenueUnreachable, match="deribit: /api/v2/public/x could not be read"):
        get(venue(max_attempts=2))


def test_nobody_listening_is_unreachable(venue: Maker) -> None:
    with pytest.raises(VenueUnreachable, match="ConnectError"):
        get(venue(base_url="http://127.0.0.1:1", max_attempts=2))


@pytest.mark.parametrize("base_url", ["deribit.com", "ftp://deribit.com", "http://[::1"])
def test_an_impossible_address_names_the_setting(venue: Maker, base_url: str) -> None:
    with pytest.raises(SettingsError, match="STRIKEHOUSE_SOURCES__DERIBIT__BASE_URL"):
        get(venue(base_url=base_url))


def hang(handler: BaseHTTPRequestHandler) -> None:
    handler.rfile.read(1)  # until the client has gone


LATE = {
    "silence": hang,
    "a dripping body": wire(HEAD + b"Content-Length: 40\r\n\r\n", *[b" "] * 40, pause=0.05),
    "dripping headers": wire(*[b"%c" % byte for byte in HEAD + b"Content-Length: 0\r\n\r\n"], pause=0.05),
}


@pytest.mark.parametrize("fault", LATE)
def test_a_slow_reply_cannot_hold_a_run(web: Web, venue: Maker, fault: str) -> None:
    web.steps = [LATE[fault]]
    started = time.monotonic()
    with pytest.raises(VenueUnreachable, match=r"longer than 0.3 s.*STRIKEHOUSE_SOURCES__DERIBIT__TIMEOUT_S"):
        get(venue(timeout_s=0.3, max_attempts=2))
    assert time.monotonic() - started < 1.5


def test_a_reply_beyond_the_size_limit_is_stopped(web: Web, venue: Maker) -> None:
    web.steps = [answer(gzip.compress(b" " * 3_000_000), Content_Encoding="gzip")]
    client = venue(max_response_mb=1)
    with pytest.raises(MalformedReply, match=r"larger than 1 MB.*STRIKEHOUSE_SOURCES__DERIBIT__MAX_RESPONSE_MB"):
        get(client)
    assert len(web.requests) == 1
    assert client.archive == []
    assert len(get(venue(max_response_mb=3)).body) == 3_000_000


def test_a_reply_that_promises_to_be_too_large_is_not_read(web: Web, venue: Maker) -> None:
    web.steps = [wire(HEAD + b"Content-Length: 200000000\r\n\r\n{}")]
    with pytest.raises(MalformedReply, match=r"larger than 100 MB"):
        get(venue())
    assert len(web.requests) == 1


def test_no_second_holds_more_requests_than_the_rate(web: Web, venue: Maker) -> None:
    rate = 20
    client = venue(max_requests_per_second=rate, is_real_time=True)
    threads = [threading.Thread(target=lambda: [get(client) for _ in range(8)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    arrivals = sorted(web.arrivals)
    assert len(arrivals) == 32
    assert min(later - first for first, later in zip(arrivals, arrivals[rate:], strict=False)) >= 1.0


def test_retries_keep_the_rate_too(web: Web, venue: Maker, clock: Clock) -> None:
    web.steps = [answer(status=500)]
    departures: list[float] = []

    def judge(payload: RawPayload) -> VenueError | None:
        departures.append(clock.seconds)
        return busy_unless_200(payload)

    with pytest.raises(VenueBusy):
        get(venue(max_requests_per_second=0.1, max_attempts=3), judge=judge)
    assert all(later - first >= 10 for first, later in itertools.pairwise(departures))


def test_a_request_can_have_a_stricter_pace(web: Web, venue: Maker, clock: Clock) -> None:
    client = venue(max_requests_per_second=5, instruments_per_second=1).client
    times = []
    for pace in ("instruments_per_second", None, None, "instruments_per_second"):
        client.get("BTC", "x", "/x", judge=fine, pace=pace)
        times.append(clock.seconds)
    gaps = [later - first for first, later in itertools.pairwise(times)]
    assert gaps[:2] == [pytest.approx(0.2, rel=0.05)] * 2
    assert times[3] - times[0] == pytest.approx(1.0, rel=0.05)
