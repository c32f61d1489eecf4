"""When data count as stale."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from warehouse.settings.base import SettingsPart


class FreshnessSettings(SettingsPart):
    """From when on a venue's data count as degraded, stale and unavailable: crypto by age, US by sessions that closed without data."""

    crypto_degraded_hours: float = Field(default=1.5, gt=0)  # the default schedule asks every hour
    crypto_stale_hours: float = Field(default=3.0, gt=0)
    crypto_unavailable_hours: float = Field(default=24.0, gt=0)
    us_degraded_sessions: int = Field(default=1, ge=1)
    us_stale_sessions: int = Field(default=2, ge=1)
    us_unavailable_sessions: int = Field(default=5, ge=1)
    us_grace_hours: float = Field(default=4.0, ge=0)  # a session is missed when so long after its close nothing of it is there

    @model_validator(mode="after")
    def _limits_rise(self) -> Self:
        for market, unit in (("crypto", "hours"), ("us", "sessions")):
            names = [f"{market}_{state}_{unit}" for state in ("degraded", "stale", "unavailable")]
            limits = [getattr(self, name) for name in names]
            if limits != sorted(limits):
                raise ValueError(f"{' ≤ '.join(names)} must hold; they are {', '.join(f'{one:g}' for one in limits)}")
        return self
