"""Who may ask: keys, compared in constant time and never logged; and how often."""

from __future__ import annotations

import hmac
import ipaddress
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from pydantic import SecretStr

from models.errors import UsageError

WINDOW_S = 60


class Keys:
    """The keys of the settings; none of them: everybody may ask."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._digests = [sha256(key.get_secret_value().encode()).digest() for key in keys]

    @property
    def are_asked(self) -> bool:
        """Whether a key is needed."""
        return bool(self._digests)

    def number_of(self, given: bytes | None) -> int | None:
        """Which of the keys was given, counted from 1; None for another. Takes as long for a wrong key as for the first or the last."""
        digest = sha256(given or b"").digest()
        found = None
        for number, known in enumerate(self._digests, start=1):
            if hmac.compare_digest(digest, known) and given is not None:
                found = number
        return found


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
class Rate:
    """Where somebody stands in the present minute."""

    limit: int | None  # None: no limit
    remaining: int
    reset_at: datetime  # UTC; without a limit the next midnight
    retry_after_s: int  # whole seconds until then, at least 1
    is_exceeded: bool


class RateLimit:
    """So many requests per minute and caller; a minute begins with the clock's."""

    def __init__(self, per_minute: int | None, clock: Callable[[], float] = time.time) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._window = -1
        self._counts: dict[str, int] = {}
        self._reset_at = datetime.fromtimestamp(0, UTC)
        self._unlimited = Rate(None, 0, self._reset_at, 1, is_exceeded=False)

    def take(self, caller: str) -> Rate:
        """Count one request of a caller."""
        if self._per_minute is None:
            return self._without_limit()
        return self._counted(caller, 1)

    def standing(self, caller: str) -> Rate:
        """Where a caller stands, without counting; exceeded when the next one would be too many."""
        if self._per_minute is None:
            return self._without_limit()
        return self._counted(caller, 0)

    def _counted(self, caller: str, more: int) -> Rate:
        assert self._per_minute is not None
        now = self._clock()
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

    def _without_limit(self) -> Rate:
        """The same for all until midnight."""
        now = self._clock()
        if now >= self._unlimited.reset_at.timestamp():
            midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            self._unlimited = Rate(None, 0, midnight, 1, is_exceeded=False)
        return self._unlimited
