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

    def take(self, caller: str) -> Rate:
        """Count one request of a caller."""
        now = self._clock()
        if self._per_minute is None:
            midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            return Rate(None, 0, midnight, 1, is_exceeded=False)
        with self._lock:
            window = int(now // WINDOW_S)
            if window != self._window:
                self._window, self._counts = window, {}
            count = self._counts.get(caller, 0) + 1
            self._counts[caller] = count
        reset = (window + 1) * WINDOW_S
        return Rate(
            self._per_minute,
            max(self._per_minute - count, 0),
            datetime.fromtimestamp(reset, UTC),
            max(math.ceil(reset - now), 1),
            is_exceeded=count > self._per_minute,
        )
