"""Every setting, one section a file; `Settings` is the whole tree."""

from warehouse.settings.alerts import AlertSettings
from warehouse.settings.api import ApiSettings
from warehouse.settings.charts import ChartSettings
from warehouse.settings.freshness import FreshnessSettings
from warehouse.settings.logs import LogSettings
from warehouse.settings.numbers import CheckSettings, ModelSettings
from warehouse.settings.schedule import DEFAULT_WATCHLIST, ScheduleSettings, Watch
from warehouse.settings.sources import BinanceSettings, BybitSettings, CboeSettings, DeribitSettings, OkxSettings, Sources, SourceSettings
from warehouse.settings.storage import StorageSettings
from warehouse.settings.tree import CONFIG_VARIABLE, DEFAULT_CONFIG, PREFIX, Settings, load_settings

__all__ = [
    "CONFIG_VARIABLE",
    "DEFAULT_CONFIG",
    "DEFAULT_WATCHLIST",
    "PREFIX",
    "AlertSettings",
    "ApiSettings",
    "BinanceSettings",
    "BybitSettings",
    "CboeSettings",
    "ChartSettings",
    "CheckSettings",
    "DeribitSettings",
    "FreshnessSettings",
    "LogSettings",
    "ModelSettings",
    "OkxSettings",
    "ScheduleSettings",
    "Settings",
    "SourceSettings",
    "Sources",
    "StorageSettings",
    "Watch",
    "load_settings",
]
