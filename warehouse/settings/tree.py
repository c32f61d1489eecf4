"""Settings: one frozen tree, read from `strikehouse.toml` and overridden by `STRIKEHOUSE_…` variables.

Nested names are joined by two underscores: `STRIKEHOUSE_SOURCES__CBOE__TIMEOUT_S=10`. An unknown key or variable is an error.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings import SettingsError as PydanticSettingsError

from models.errors import SettingsError
from models.redaction import secret_parts
from warehouse.settings.alerts import AlertSettings, VenueMissing
from warehouse.settings.api import ApiSettings
from warehouse.settings.base import SettingsPart
from warehouse.settings.charts import ChartSettings
from warehouse.settings.freshness import FreshnessSettings
from warehouse.settings.logs import LogSettings
from warehouse.settings.numbers import CheckSettings, ModelSettings
from warehouse.settings.schedule import DEFAULT_WATCHLIST, ScheduleSettings, Watch
from warehouse.settings.sources import Sources
from warehouse.settings.storage import StorageSettings

PREFIX = "STRIKEHOUSE_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
DEFAULT_CONFIG = "strikehouse.toml"


class Settings(BaseSettings):
    """All settings of one Strikehouse home."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
        hide_input_in_errors=True,  # input values may be secrets
    )

    home: Path = Field(default=Path("data"), description="folder of all data")
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
    watchlist: dict[str, Watch] = Field(default=dict(DEFAULT_WATCHLIST), description="underlyings that are read, each as below")

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
        """Hash of the settings that change numbers: those of the sections as JSON, then those of the venues, divided by blanks."""
        sections = [part for name in type(self).model_fields if isinstance(part := getattr(self, name), SettingsPart)]
        own = [part.model_dump_json(include=set(names)) for part in sections if (names := part.number_fields())]
        venues = [getattr(self.sources, name) for name in Sources.model_fields]
        of_venues = [f"{getattr(venue, name)}" for venue in venues for name in venue.number_fields()]
        return hashlib.sha256(("".join(own) + " ".join(of_venues)).encode()).hexdigest()[:16]


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
