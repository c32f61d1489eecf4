"""Settings: one frozen tree, read from `strikehouse.toml` and overridden by `STRIKEHOUSE_…` variables.

Nested names are joined by two underscores: `STRIKEHOUSE_SOURCES__CBOE__TIMEOUT_S=10`. An unknown key or variable is an error.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as PydanticSettingsError

from models.errors import SettingsError
from models.redaction import secret_parts
from warehouse.settings.alerts import AlertSettings, VenueMissing
from warehouse.settings.base import SettingsPart as _Part
from warehouse.settings.cron import check_cron_line

PREFIX = "STRIKEHOUSE_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
DEFAULT_CONFIG = "strikehouse.toml"


def _split_commas(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]  # plain text, not JSON
Secrets = Annotated[tuple[Annotated[SecretStr, Field(min_length=1)], ...], NoDecode, BeforeValidator(_split_commas)]


class SourceSettings(_Part):
    """How one venue is asked: address and politeness."""

    base_url: str
    max_requests_per_second: float = Field(gt=0)
    timeout_s: float = Field(default=20.0, gt=0)
    max_attempts: int = Field(default=4, ge=1)
    max_wait_s: float = Field(default=30.0, ge=0)  # a venue that asks for a longer rest fails at once
    max_response_mb: float = Field(default=100.0, gt=0)


class CboeSettings(SourceSettings):
    """Cboe: whole chains of US equities and indices, 15 minutes late."""

    base_url: str = "https://cdn.cboe.com"
    max_requests_per_second: float = Field(default=1.0, gt=0)  # no published tolerance
    timeout_s: float = Field(default=60.0, gt=0)  # SPX is a 13 MB reply


class DeribitSettings(SourceSettings):
    """Deribit: BTC and ETH inverse books, and the USDC book."""

    base_url: str = "https://www.deribit.com"
    max_requests_per_second: float = Field(default=5.0, gt=0)  # the unauthenticated limit is undisclosed
    instruments_per_second: float = Field(default=1.0, gt=0, le=1.0)  # get_instruments has a limit of its own


class BybitSettings(SourceSettings):
    """Bybit: a coin with all its contracts, settled in USDC and in USDT."""

    base_url: str = "https://api.bybit.com"
    max_requests_per_second: float = Field(default=10.0, gt=0)
    option_oi_sides: int = Field(default=1, ge=1, le=2)  # whether open interest counts one side of a trade or both is not said for options
    underlying_price: Literal["forward", "index"] = "forward"  # what underlyingPrice is; as an index it gives no forward, and parity does


class OkxSettings(SourceSettings):
    """OKX: families, coin-margined and USD-margined."""

    base_url: str = "https://www.okx.com"  # two documented hosts; all libraries use this one
    max_requests_per_second: float = Field(default=4.0, gt=0)  # mark-price allows 5
    inverse_premium: Literal["forward", "index"] = "forward"  # the price in USD that a premium in coin is taken times
    coin_margined: CommaSeparated = ("BTC", "ETH")  # underlyings with such a family, beside the USD-margined one that all have


class BinanceSettings(SourceSettings):
    """Binance: options settled in USDT."""

    base_url: str = "https://eapi.binance.com"
    max_requests_per_second: float = Field(default=5.0, gt=0)
    # What sumOpenInterest counts is not clear where a contract is several coins (XRP, DOGE): by its value in USD, or stated here.
    oi_basis: Literal["usd_over_index", "coins", "contracts"] = "usd_over_index"
    ticker_weight_all: int = Field(default=40, ge=1)  # of 2400 a minute; older documentation says 5


class Sources(_Part):
    """All venues."""

    cboe: CboeSettings = CboeSettings()
    deribit: DeribitSettings = DeribitSettings()
    bybit: BybitSettings = BybitSettings()
    okx: OkxSettings = OkxSettings()
    binance: BinanceSettings = BinanceSettings()


class StorageSettings(_Part):
    """Where tables are kept, and what DuckDB may use."""

    catalog: str = "duckdb"
    data_path: Path | None = None  # where old rows lie as Parquet; default: parquet/ under home
    native_days: int = Field(default=90, ge=0)  # `maintain` moves a month to Parquet when it ended so many days ago
    raw_keep_days: int | None = Field(default=None, ge=1)  # `maintain` removes older replies whose rebuild it has verified; default: never
    compact_free_pct: float = Field(default=25.0, gt=0, le=100)  # `maintain` rewrites a work file with so much free space in it
    generations_kept: int = Field(default=5, ge=2)
    lock_wait_s: float = Field(default=10.0, ge=0)  # how long a run waits for another one that writes
    memory_limit: str = "1GB"
    threads: int = Field(default=2, ge=1)


class ModelSettings(_Part):
    """Settings that change numbers; they are hashed into `core.snapshots.settings_hash`."""

    gamma_source: Literal["model", "venue"] = "model"
    rate_us: float = 0.04
    rate_crypto: float = 0.0
    tau_floor_seconds: float = Field(default=3600.0, gt=0)
    iv_min: float = 0.01
    iv_max: float = 10.0
    level_min_share: float = Field(default=0.02, ge=0, le=1)  # a wall needs this share of the profile's largest |net|
    # The shape of a pain curve, and below how much open interest it has none.
    thin_contracts: float = Field(default=500.0, ge=0)  # US
    thin_coins: float = Field(default=100.0, ge=0)  # crypto
    flat_depth: float = Field(default=0.15, ge=0, le=1)
    v_depth: float = Field(default=0.5, ge=0, le=1)
    skewed_asymmetry: float = Field(default=0.4, ge=0, le=1)
    # A gamma flip is published where the chain near spot can carry one: strikes on either side, and no second root beside it.
    flip_min_strikes: int = Field(default=3, ge=0)
    flip_min_window_pct: float = Field(default=5.0, ge=0)
    flip_sensitive_pct: float = Field(default=0.25, ge=0)
    stale_venue_seconds: float = Field(default=600.0, gt=0)


class CheckSettings(_Part):
    """When a venue's frame is refused as a whole; these change numbers too."""

    min_priced_share: float = Field(default=0.5, ge=0, le=1)  # of live rows with open interest: IV or a price to solve one from
    min_side_share: float = Field(default=0.1, ge=0, le=1)  # calls, and puts, of all live rows
    max_gone_expiries_share: float = Field(default=0.5, ge=0, le=1)  # against the venue's snapshot before
    min_live_share_of_previous: float = Field(default=0.5, ge=0, le=1)
    previous_max_age_days: float = Field(default=7.0, gt=0)
    spot_outlier_pct: float = Field(default=0.5, gt=0)  # a venue's spot this far from the median of the venues is named


class FreshnessSettings(_Part):
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


class ScheduleSettings(_Part):
    """How the watchlist's schedules are served."""

    grace_minutes: float = Field(default=10.0, ge=0)  # a run that starts later than this is marked late, or skipped
    port: int = Field(default=4200, ge=1, le=65535)  # of the Prefect server that `strikehouse schedule` starts, on 127.0.0.1
    kept_days: float = Field(default=30.0, gt=0)  # how long published/schedule.json remembers what became of a run


class ChartSettings(_Part):
    """Charts: whether a run draws them, and which browser takes pictures of them."""

    after_run: bool = False  # draw every underlying of a run; takes seconds, and 5 MB per underlying
    browser: Path | None = None  # default: the first Chromium or Chrome on the path
    browser_timeout_s: float = Field(default=60.0, gt=0)
    png_scale: float = Field(default=2.0, gt=0, le=4)  # pixels per point


class LogSettings(_Part):
    """What is logged: lines on standard error, and a file per day below the home."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "WARNING"  # on standard error
    file_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    format: Literal["text", "json"] = "text"  # json: one object per line, on standard error and in the file
    keep_days: int = Field(default=30, ge=0)  # files of earlier days are removed; 0: no file


class ApiSettings(_Part):
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


class Watch(_Part):
    """One line of the watchlist: which venues an underlying is read from, and when."""

    venues: Annotated[tuple[str, ...], Field(min_length=1)]
    schedule: tuple[str, ...] = ()  # cron lines, in that time zone
    timezone: str = "UTC"

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
    "HYPE": _CRYPTO.model_copy(update={"venues": ("deribit",)}),  # nobody else lists it
}


class Settings(BaseSettings):
    """All settings of one Strikehouse home."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
        hide_input_in_errors=True,  # what was given may be a secret
    )

    home: Path = Path("data")
    sources: Sources = Sources()
    storage: StorageSettings = StorageSettings()
    models: ModelSettings = ModelSettings()
    checks: CheckSettings = CheckSettings()
    freshness: FreshnessSettings = FreshnessSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    alerts: AlertSettings = AlertSettings()
    logs: LogSettings = LogSettings()
    charts: ChartSettings = ChartSettings()
    api: ApiSettings = ApiSettings()
    watchlist: dict[str, Watch] = dict(DEFAULT_WATCHLIST)

    @field_validator("alerts")
    @classmethod
    def _venues_of_rules_exist(cls, value: AlertSettings) -> AlertSettings:
        named = {venue for rule in value.rules if isinstance(rule, VenueMissing) for venue in rule.venues}
        if unknown := sorted(named - set(Sources.model_fields)):
            raise ValueError(f"no venue is called {unknown[0]!r}; known are {', '.join(Sources.model_fields)}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before the file; raises `SettingsError` when the file that was named is not there."""
        named = os.environ.get(CONFIG_VARIABLE)
        file = Path(named or DEFAULT_CONFIG)
        if named and not file.is_file():
            raise SettingsError(f"{CONFIG_VARIABLE} names {file}, which is no file. Create it, or unset the variable.")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)

    @property
    def secrets(self) -> frozenset[str]:
        """Texts that must never be logged, shown or archived: keys, and whatever may be a token in an address."""
        addresses = (part for url in self.alerts.urls for part in secret_parts(url.get_secret_value()))
        return frozenset((*addresses, *(key.get_secret_value() for key in self.api.keys)))

    @property
    def numbers_hash(self) -> str:
        """Hash of the settings that change numbers."""
        bybit, okx, binance = self.sources.bybit, self.sources.okx, self.sources.binance
        sources = f"{bybit.option_oi_sides} {bybit.underlying_price} {okx.inverse_premium} {binance.oi_basis}"
        text = self.models.model_dump_json() + self.checks.model_dump_json() + sources
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_settings() -> Settings:
    """Settings of the environment and `strikehouse.toml`; raises `SettingsError` naming every key that is wrong."""
    known = {CONFIG_VARIABLE, *(PREFIX + name.upper() for name in Settings.model_fields)}
    for variable in sorted(os.environ):
        if variable.startswith(PREFIX) and variable.split("__")[0] not in known:
            names = ", ".join(sorted(known))
            raise SettingsError(f"{variable}: there is no such setting. Unset it, or correct its name; they begin with {names}.")
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(str(part) for part in one['loc']) or 'settings'}: {one['msg']}" for one in error.errors())
        raise SettingsError(f"Settings are wrong: {wrong}. Correct {DEFAULT_CONFIG} or the STRIKEHOUSE_… variable.") from error
    except (PydanticSettingsError, tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"Settings cannot be read: {error}. Correct {DEFAULT_CONFIG} or the STRIKEHOUSE_… variable.") from error
