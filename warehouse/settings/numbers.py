"""Settings that change numbers: of the models, and of the checks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from warehouse.settings.base import SettingsPart


class ModelSettings(SettingsPart):
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


class CheckSettings(SettingsPart):
    """When a venue's frame is refused as a whole; these change numbers too."""

    min_priced_share: float = Field(default=0.5, ge=0, le=1)  # of live rows with open interest: IV or a price to solve one from
    min_side_share: float = Field(default=0.1, ge=0, le=1)  # calls, and puts, of all live rows
    max_gone_expiries_share: float = Field(default=0.5, ge=0, le=1)  # against the venue's snapshot before
    min_live_share_of_previous: float = Field(default=0.5, ge=0, le=1)
    previous_max_age_days: float = Field(default=7.0, gt=0)
    spot_outlier_pct: float = Field(default=0.5, gt=0)  # a venue's spot this far from the median of the venues is named
