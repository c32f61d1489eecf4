"""The HTTP API."""

from __future__ import annotations

from pydantic import Field

from warehouse.settings.base import Secrets, SettingsPart


class ApiSettings(SettingsPart):
    """The HTTP API: who may ask it, how much, and how old an answer may be."""

    keys: Secrets = ()  # none: no key is asked, and the server stays on loopback
    host_label: str = Field(default="strikehouse-1", min_length=1)  # the `node` of an answer
    rate_limit_per_minute: int | None = Field(default=None, ge=1)  # per key; None: no limit
    quota_per_month: int | None = Field(default=None, ge=1)  # per key, by UTC month, counted since the server started
    wrong_keys_per_minute: int | None = Field(default=60, ge=1)  # per address, which is then refused until the next; None: no limit
    max_rows: int = Field(default=1_000_000, ge=1)  # that one question of a request may give
    timeout_s: float = Field(default=20.0, gt=0)  # for all questions of a request; clients of the dialects wait 30 s
    metrics_path: str | None = Field(default=None, pattern=r"^/[A-Za-z0-9/_-]+$")  # None: no metrics
    cache_mb: float = Field(default=64.0, ge=0)  # answers kept of the live generation; as much again for tables, and for rows
    # At an earlier moment, how old the newest snapshot may be before there is nothing: a long weekend, and a day.
    max_snapshot_age_days_us: float = Field(default=4.0, gt=0)
    max_snapshot_age_days_crypto: float = Field(default=1.0, gt=0)
