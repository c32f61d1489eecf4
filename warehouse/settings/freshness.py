"""When data count as stale."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from warehouse.settings.base import SettingsPart


class FreshnessSettings(SettingsPart):
    """From when on a venue's data count as degraded, stale and unavailable: crypto by age, US by sessions that closed without data."""

    # the default schedule runs every hour
    crypto_degraded_hours: float = Field(default=1.5, gt=0, description="crypto: data of this age are degraded")
    crypto_stale_hours: float = Field(default=3.0, gt=0, description="crypto: data of this age are stale")
    crypto_unavailable_hours: float = Field(default=24.0, gt=0, description="crypto: data of this age are unavailable")
    us_degraded_sessions: int = Field(default=1, ge=1, description="US: data are degraded when so many sessions closed without any")
    us_stale_sessions: int = Field(default=2, ge=1, description="US: data are stale when so many sessions closed without any")
    us_unavailable_sessions: int = Field(default=5, ge=1, description="US: data are unavailable when so many sessions closed without any")
    us_grace_hours: float = Field(default=4.0, ge=0, description="US: hours after its close from which on a session without data counts")

    @model_validator(mode="after")
    def _limits_rise(self) -> Self:
        for market, unit in (("crypto", "hours"), ("us", "sessions")):
            names = [f"{market}_{state}_{unit}" for state in ("degraded", "stale", "unavailable")]
            limits = [getattr(self, name) for name in names]
            if limits != sorted(limits):
                raise ValueError(f"{' ≤ '.join(names)} must hold; they are {', '.join(f'{one:g}' for one in limits)}")
        return self
