"""The HTTP API."""

from __future__ import annotations

from pydantic import Field

from warehouse.settings.base import Secrets, SettingsPart


class ApiSettings(SettingsPart):
    """The HTTP API: who may ask it, how much, and how old an answer may be."""

    keys: Secrets = Field(default=(), description="API keys, of which a request carries one; none: open to all, and on loopback only")
    host_label: str = Field(default="strikehouse-1", min_length=1, description="`node` of a response")
    rate_limit_per_minute: int | None = Field(default=None, ge=1, description="requests a minute per key; none: no limit")
    quota_per_month: int | None = Field(
        default=None, ge=1, description="requests a UTC month per key, counted since the server started; none: no limit"
    )
    wrong_keys_per_minute: int | None = Field(
        default=60, ge=1, description="wrong keys a minute after which an address is refused until the next minute; none: no limit"
    )
    max_rows: int = Field(default=1_000_000, ge=1, description="rows that one query of a request may return")
    # clients of the dialects wait 30 s
    timeout_s: float = Field(default=20.0, gt=0, description="seconds for all queries of a request")
    metrics_path: str | None = Field(
        default=None, pattern=r"^/[A-Za-z0-9/_-]+$", description="path of Prometheus metrics, such as `/metrics`; none: no metrics"
    )
    cache_mb: float = Field(
        default=64.0, ge=0, description="cached responses of the live generation, in MB; as much again for tables, and for rows"
    )
    max_snapshot_age_days_us: float = Field(  # a long weekend
        default=4.0, gt=0, description="US: at an earlier moment, an older newest snapshot counts as no data"
    )
    max_snapshot_age_days_crypto: float = Field(default=1.0, gt=0, description="crypto: the same")
