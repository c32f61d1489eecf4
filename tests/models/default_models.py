"""Models with the thresholds of the default settings."""

from __future__ import annotations

from functools import partial

from models.pricing import gamma_ladder as ladder
from models.pricing import option_greeks as greeks
from warehouse.settings import ModelSettings

_DEFAULTS = ModelSettings()

gamma_ladder = partial(ladder.gamma_ladder, tau_floor_seconds=_DEFAULTS.tau_floor_seconds)
option_greeks = partial(
    greeks.option_greeks,
    gamma_source=_DEFAULTS.gamma_source,
    tau_floor_seconds=_DEFAULTS.tau_floor_seconds,
    iv_min=_DEFAULTS.iv_min,
    iv_max=_DEFAULTS.iv_max,
)
