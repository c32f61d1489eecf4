"""The one HTTP client of all venues: rate-limited, with retries; every reply is recorded before it is parsed.

This is the only module that imports httpx; none of its errors leaves it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self, TypeVar

import httpx

from models.chain import RawPayload
from models.errors import MalformedReply, SettingsError, VenueBusy, VenueError, VenueUnreachable
from models.redaction import public_headers, public_params, redact
from warehouse.settings import SourceSettings

USER_AGENT = "Strikehouse/{} (self-hosted option warehouse)"
FIRST_BACKOFF_S = 1.0
LONGEST_REST_S = 366 * 86_400.0  # nothing sensible asks for more, and dates beyond the year 9999 do not exist
GAP_SLACK = 1.02  # requests leave a little further apart than the rate says, because the way to the venue varies

T = TypeVar("T")


class VenueClient:
    """GET requests to one venue, politely; thread-safe. One client per venue and process keeps the rate.

    `record` is called with every whole reply, errors and retries included, before it is read. `rest_until` is the instant, kept from
    an earlier run, before which the venue must not be asked. `version` is Strikehouse's, for the User-Agent. `jitter` gives numbers in
    [0, 1). Clock and sleep are arguments.
    """

    def __init__(
        self,
        venue: str,
        settings: SourceSettings,
        *,
        record: Callable[[RawPayload], None],
        rest_until: datetime | None = None,
        version: str = "0",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.venue = venue
        self.rest_until = rest_until
        self._settings = settings
        self._record = record
        self._now, self._jitter = now, jitter
        self._pacer = Pacer(monotonic, sleep)
        self._gave_up = False
        seconds = settings.timeout_s
        try:
            self._http = httpx.Client(
                headers={"User-Agent": USER_AGENT.format(version), "Accept": "application/json", "Accept-Encoding": "gzip"},
                timeout=httpx.Timeout(seconds, connect=min(seconds, 10.0)),
            )
        except (httpx.InvalidURL, ImportError, OSError, ValueError) as error:
            raise SettingsError(f"The proxy or certificate variables of the environment cannot be used: {error}. Correct them.") from error

    def get(
        self,
        book: str,
        name: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        judge: Callable[[RawPayload], VenueError | None],
        pace: str | None = None,
    ) -> RawPayload:
        """The venue's reply to one request, once `judge` finds nothing wrong with it.

        `judge` gives the error that a reply stands for: `VenueUnreachable` and `VenueBusy` are tried again, others are raised at
        once. `pace` names a setting of the venue that holds a stricter rate for this request. Raises `VenueError`s, and
        `SettingsError` for an impossible base_url.
        """
        rates = {field: float(getattr(self._settings, field)) for field in ("max_requests_per_second", pace) if field}
        # a venue that has just worn out all attempts gets one for each further request, until it answers again
        first = self._settings.max_attempts if self._gave_up else 1
        for attempt in range(first, self._settings.max_attempts + 1):
            self._fail_while_resting()
            try:
                with self._pacer.turn(rates):
                    payload = self._receive(book, name, path, dict(params or {}))
            except VenueUnreachable as error:
                self._rest(error, None, attempt)
                continue
            self._record(payload)
            failure = judge(payload)
            if not isinstance(failure, VenueUnreachable | VenueBusy):
                self._gave_up = False
                if failure is None:
                    return payload
                raise failure
            self._rest(failure, self._requested_rest(payload, failure), attempt)
        raise AssertionError("unreachable: the last attempt raises")

    def pause(self, seconds: float, why: str) -> None:
        """Lets no request go for so long, as a venue's limit demands; raises `VenueBusy` when that is above `max_wait_s`."""
        if seconds > self._settings.max_wait_s:
            self.rest_until = self._now() + timedelta(seconds=seconds)
            raise VenueBusy(self.venue, f"{why}. It is left alone until {_shown(self.rest_until)}", self.rest_until)
        self._pacer.hold(seconds)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _receive(self, book: str, name: str, path: str, params: dict[str, str]) -> RawPayload:
        """One reply, whole, within `timeout_s` from first to last byte; `VenueUnreachable` when it does not come."""
        url = self._settings.base_url.rstrip("/") + path
        late = f"{path} took longer than {self._settings.timeout_s:g} s. Try later, or raise {self._variable('timeout_s')}"
        deadline = time.monotonic() + self._settings.timeout_s

        def download() -> RawPayload:
            sent_at = self._now()
            with self._http.stream("GET", url, params=params) as response:
                body = self._body(response, path, deadline)
            exchange = (redact(url), public_params(params), response.status_code, public_headers(response.headers))
            return RawPayload(self.venue, book, name, *exchange, body, sent_at, self._now())

        try:
            return _within(self._settings.timeout_s, download)
        except (TimeoutError, httpx.TimeoutException):
            raise VenueUnreachable(self.venue, late) from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, ValueError, OverflowError) as error:
            raise SettingsError(
                f"{redact(url)} is no address to ask: {redact(str(error))}. Correct {self._variable('base_url')}."
            ) from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            what = redact(f"{type(error).__name__}: {error}".rstrip(": "))
            raise VenueUnreachable(self.venue, f"{path} could not be read ({what}). Check the network, or try later") from error

    def _body(self, response: httpx.Response, path: str, deadline: float) -> bytes:
        """The unpacked body; stops early when it grows beyond the limit or the deadline has passed."""
        limit = self._settings.max_response_mb * 1_000_000
        what = f"the reply to {path} is larger than {self._settings.max_response_mb:g} MB"
        too_large = MalformedReply(self.venue, f"{what}. If that is right, raise {self._variable('max_response_mb')}")
        promised = response.headers.get("content-length", "")
        if promised.isascii() and promised.isdigit() and float(promised) > limit:
            raise too_large
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > limit:
                raise too_large
            if time.monotonic() > deadline:
                raise TimeoutError
            chunks.append(chunk)
        return b"".join(chunks)

    def _requested_rest(self, payload: RawPayload, failure: VenueError) -> float | None:
        """Seconds of rest that the venue asks for, by its Retry-After header or in its own way (the error's `rest_until`).

        None when it asks for none, or for none that is left: then our own back-off holds.
        """
        rests = [retry_after(payload.headers.get("retry-after"), self._now())]
        if isinstance(failure, VenueBusy) and failure.rest_until is not None:
            rests.append(max((failure.rest_until - self._now()).total_seconds(), 0.0))
        return max((rest for rest in rests if rest), default=None)

    def _rest(self, failure: VenueError, requested_s: float | None, attempt: int) -> None:
        """Holds all requests to the venue before the next attempt, or raises when there is none or the rest asked for is too long."""
        limit = self._settings.max_wait_s
        self._gave_up = attempt == self._settings.max_attempts
        if requested_s is not None:
            rest_until = self._now() + timedelta(seconds=requested_s)
            if requested_s > limit:
                self.rest_until = rest_until
                rest = f"it asks for a rest of {requested_s:.0f} s (max_wait_s is {limit:g}) and is left alone until {_shown(rest_until)}"
                raise VenueBusy(self.venue, f"{_bare(failure)}; {rest}", rest_until) from failure
            if attempt == self._settings.max_attempts:
                raise VenueBusy(self.venue, _bare(failure), rest_until) from failure
        if attempt == self._settings.max_attempts:
            raise failure
        self._pacer.hold(requested_s or min(FIRST_BACKOFF_S * 2 ** (attempt - 1) + self._jitter(), limit))

    def _fail_while_resting(self) -> None:
        if self.rest_until is not None and self._now() < self.rest_until:
            message = f"it asked for a rest until {_shown(self.rest_until)} and is not asked before"
            raise VenueBusy(self.venue, message, self.rest_until)

    def _variable(self, field: str) -> str:
        return f"STRIKEHOUSE_SOURCES__{self.venue.upper()}__{field.upper()}"


class Pacer:
    """Lets a request go when each of its named rates has a free place; burst 1, so no second holds more requests than the rate."""

    def __init__(self, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._monotonic, self._sleep = monotonic, sleep
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}
        self._paused_until = 0.0

    @contextmanager
    def turn(self, rates: Mapping[str, float]) -> Iterator[None]:
        """Waits until a request may leave; `rates`: name -> requests per second.

        The gap counts again when the request is over, since the venue saw it at some time between its departure and its reply.
        """
        while (wait := self._acquire(rates)) > 0:
            self._sleep(wait)
        try:
            yield
        finally:
            with self._lock:
                self._push(rates)

    def hold(self, seconds: float) -> None:
        """Lets no request go for so long."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._monotonic() + seconds)

    def _acquire(self, rates: Mapping[str, float]) -> float:
        """0 when the place is taken, else seconds until one may be free."""
        with self._lock:
            wait = max(self._paused_until, *(self._next.get(name, 0.0) for name in rates)) - self._monotonic()
            if wait <= 0:
                self._push(rates)
            return max(wait, 0.0)

    def _push(self, rates: Mapping[str, float]) -> None:
        now = self._monotonic()
        for name, rate in rates.items():
            self._next[name] = now + GAP_SLACK / rate


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from a Retry-After header, which holds seconds or an HTTP date; None when it says nothing usable."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_REST_S)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = (until if until.tzinfo else until.replace(tzinfo=UTC)) - now
    return min(max(seconds.total_seconds(), 0.0), LONGEST_REST_S)


def _within(seconds: float, call: Callable[[], T]) -> T:
    """The result of a call that may hang anywhere (name look-up, headers byte by byte): `TimeoutError` when it is late.

    A late call is left behind in its daemon thread, where its own read time-out ends it.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
            outcome.set_exception(error)

    threading.Thread(target=run, name="venue-request", daemon=True).start()
    return outcome.result(seconds)


def _shown(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _bare(failure: VenueError) -> str:
    return str(failure).removeprefix(f"{failure.venue}: ")
