"""How much of a trading session is left at a snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from warehouse.api.flashalpha.chain import Chain

HOURS = {"us": 6.5, "crypto": 24.0}  # of a session; in crypto of the day before settlement


@dataclass(frozen=True)
class Session:
    """The session in which a snapshot was taken."""

    is_open: bool
    hours_left: float  # until the close; 0 when closed
    elapsed_pct: float  # 0 before the opening, 100 at the close and on days without a session
    hours: float  # of a whole one

    @property
    def is_ending(self) -> bool:
        """Whether it closes within 5 minutes."""
        return self.is_open and self.hours_left * 60 <= 5


def session_of(chain: Chain, expires_at: datetime | None) -> Session:
    """US: the regular session of the snapshot's New York date. Crypto never closes: its session ends with the settlement shown."""
    hours = HOURS[chain.market]
    at = chain.captured_at
    if chain.market == "crypto":
        left = hours if expires_at is None else max((expires_at - at).total_seconds() / 3600, 0.0)
        return Session(is_open=True, hours_left=left, elapsed_pct=100 * (1 - min(left / hours, 1)), hours=hours)
    row = chain.when.report("sessions", date=chain.snapshot["local_date"]).row(0, named=True)
    opens, closes = row["opens_at"], row["closes_at"]
    if opens is None or at >= closes:
        return Session(is_open=False, hours_left=0.0, elapsed_pct=100.0, hours=hours)
    if at < opens:
        return Session(is_open=False, hours_left=0.0, elapsed_pct=0.0, hours=hours)
    left = (closes - at).total_seconds() / 3600
    whole = (closes - opens).total_seconds() / 3600
    return Session(is_open=True, hours_left=left, elapsed_pct=100 * (1 - left / whole), hours=hours)
