"""API keys, compared in constant time and never logged, and rate limits."""

from __future__ import annotations

import hmac
import ipaddress
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

from pydantic import SecretStr

from models.errors import UsageError

WINDOW_S = 60


class Keys:
    """The keys from the settings; without any, requests need no key."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._digests = [sha256(key.get_secret_value().encode()).digest() for key in keys]

    @property
    def are_required(self) -> bool:
        """Whether a key is needed."""
        return bool(self._digests)

    def number_of(self, given: bytes | None) -> int | None:
        """Number of the given key, counted from 1; None for an unknown key. Takes constant time."""
        digest = sha256(given or b"").digest()
        key_number = None
        for number, known in enumerate(self._digests, start=1):
            if hmac.compare_digest(digest, known) and given is not None:
                key_number = number
        return key_number


def check_bind(host: str, keys: Sequence[SecretStr]) -> None:
    """Raise `UsageError` when a server without keys would listen beyond this machine."""
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not keys and not is_loopback:
        raise UsageError(
            f"Without keys the server listens on loopback only, not on {host}. "
            "Set STRIKEHOUSE_API__KEYS to one or more keys, or leave --host out."
        )


@dataclass(frozen=True)
class Quota:
    """Usage of a caller in the current month."""

    limit: int
    used: int  # including this request; refused requests are not counted
    period: date  # its first day, UTC
    reset_at: datetime  # UTC
    is_exceeded: bool


@dataclass(frozen=True)
class Rate:
    """Usage of a caller in the current minute and month."""

    limit: int | None  # None: no limit
    remaining: int
    reset_at: datetime  # UTC; without a limit the next midnight
    retry_after_s: int  # whole seconds until the next request is allowed, at least 1
    is_exceeded: bool  # of either
    quota: Quota | None = None

    @property
    def spent(self) -> tuple[int | None, str, datetime]:
        """The exhausted limit: number of requests, period, reset time."""
        if self.quota is not None and self.quota.is_exceeded:
            return self.quota.limit, "month", self.quota.reset_at
        return self.limit, "minute", self.reset_at

    @property
    def refusal(self) -> str:
        """The error message for a caller over the limit."""
        limit, period, _ = self.spent
        return f"More than {limit} requests in a {period}. Wait until the next one."


class RateLimit:
    """Limits requests per caller, per calendar minute and month in UTC. Counts are lost when the server stops."""

    def __init__(self, per_minute: int | None, per_month: int | None = None, clock: Callable[[], float] = time.time) -> None:
        self._per_minute = per_minute
        self._per_month = per_month
        self._clock = clock
        self._lock = threading.Lock()
        self._window = -1
        self._counts: dict[str, int] = {}
        self._reset_at = datetime.fromtimestamp(0, UTC)
        self._unlimited = Rate(None, 0, self._reset_at, 1, is_exceeded=False)
        self._month = date.min
        self._used: dict[str, int] = {}

    def acquire(self, caller: str) -> Rate:
        """Count one request of a caller."""
        now = self._clock()
        rate = self._in_minute(caller, now, 1)
        if self._per_month is None:
            return rate
        quota = self._in_month(caller, datetime.fromtimestamp(now, UTC), self._per_month, counts=not rate.is_exceeded)
        if quota.is_exceeded:
            return replace(rate, retry_after_s=max(math.ceil(quota.reset_at.timestamp() - now), 1), is_exceeded=True, quota=quota)
        return replace(rate, quota=quota)

    def peek(self, caller: str) -> Rate:
        """A caller's rate in the minute, without counting; exceeded when the next request would be too many."""
        return self._in_minute(caller, self._clock(), 0)

    def _in_minute(self, caller: str, now: float, more: int) -> Rate:
        if self._per_minute is None:
            return self._without_limit(now)
        with self._lock:
            window = int(now // WINDOW_S)
            if window != self._window:
                self._window, self._counts = window, {}
                self._reset_at = datetime.fromtimestamp((window + 1) * WINDOW_S, UTC)
            count = self._counts.get(caller, 0) + more
            if more:
                self._counts[caller] = count
            reset_at = self._reset_at
        is_exceeded = count > self._per_minute if more else count >= self._per_minute
        retry_after_s = max(math.ceil((window + 1) * WINDOW_S - now), 1)
        return Rate(self._per_minute, max(self._per_minute - count, 0), reset_at, retry_after_s, is_exceeded)

    def _without_limit(self, now: float) -> Rate:
        """One shared state for all callers until midnight."""
        if now >= self._unlimited.reset_at.timestamp():
            midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            self._unlimited = Rate(None, 0, midnight, 1, is_exceeded=False)
        return self._unlimited

    def _in_month(self, caller: str, now: datetime, limit: int, *, counts: bool) -> Quota:
        month = now.date().replace(day=1)
        with self._lock:
            if month != self._month:
                self._month, self._used = month, {}
            used = self._used.get(caller, 0)
            if counts and used < limit:
                self._used[caller] = used + 1
            used_now = self._used.get(caller, 0)
        following = (month + timedelta(days=31)).replace(day=1)
        reset_at = datetime(following.year, following.month, 1, tzinfo=UTC)
        return Quota(limit, used_now, month, reset_at, is_exceeded=counts and used >= limit)
