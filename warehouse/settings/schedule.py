"""The watchlist, its schedules, and how they are served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import Field, field_validator

from warehouse.settings.base import SettingsPart
from warehouse.settings.cron import check_cron_line
from warehouse.settings.sources import Sources


class ScheduleSettings(SettingsPart):
    """How the watchlist's schedules are served."""

    grace_minutes: float = Field(default=10.0, ge=0, description="a run that starts later than this is marked late, or skipped")
    port: int = Field(
        default=4200, ge=1, le=65535, description="port, on 127.0.0.1, of the Prefect server that `strikehouse schedule` starts"
    )
    kept_days: float = Field(default=30.0, gt=0, description="how long `published/schedule.json` says what became of a run")


class Watch(SettingsPart):
    """One line of the watchlist: which venues an underlying is read from, and when."""

    venues: Annotated[tuple[str, ...], Field(min_length=1, description="venues that the underlying is read from")]
    schedule: tuple[str, ...] = Field(default=(), description="cron lines; empty: no schedule")
    timezone: str = Field(default="UTC", description="time zone of the cron lines, such as America/New_York")

    @field_validator("timezone")
    @classmethod
    def _timezone_exists(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"no time zone is called {value!r}; write it like America/New_York")
        return value

    @field_validator("schedule")
    @classmethod
    def _lines_come_due(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_cron_line(line) for line in value)

    @field_validator("venues")
    @classmethod
    def _venues_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for venue in value:
            if venue not in Sources.model_fields:
                raise ValueError(f"no venue is called {venue!r}; known are {', '.join(Sources.model_fields)}")
        return value


_US = Watch(venues=("cboe",), schedule=("15 9 * * 1-5", "45 16 * * 1-5"), timezone="America/New_York")
_CRYPTO = Watch(venues=("deribit", "bybit", "okx", "binance"), schedule=("0 * * * *", "55 7 * * *"))
DEFAULT_WATCHLIST: Mapping[str, Watch] = {
    **dict.fromkeys(("SPX", "SPY", "QQQ", "AAPL", "NVDA", "TSLA"), _US),
    **dict.fromkeys(("BTC", "ETH", "SOL"), _CRYPTO),
    "HYPE": _CRYPTO.model_copy(update={"venues": ("deribit",)}),  # no other venue lists it
}
