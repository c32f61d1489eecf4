"""Settings that change numbers: of the models, and of the checks."""

from __future__ import annotations

from typing import Literal

from warehouse.settings.base import SettingsPart, number


class ModelSettings(SettingsPart):
    """Settings of the models and of the SQL after them. All of them change numbers."""

    gamma_source: Literal["model", "venue"] = number("model", "whose gamma the exposures carry: model, or venue")
    rate_us: float = number(0.04, "interest rate of US underlyings, continuous, where no forward is quoted")
    rate_crypto: float = number(0.0, "the same of crypto underlyings")
    tau_floor_seconds: float = number(3600.0, "greeks, but for theta, take a time to settlement of at least this", gt=0)
    iv_min: float = number(0.01, "a volatility quoted by a venue counts from here")
    iv_max: float = number(10.0, "a volatility quoted by a venue counts up to here")
    level_min_share: float = number(0.02, "a wall needs this share of the profile's largest |net|", ge=0, le=1)
    thin_contracts: float = number(500.0, "US: an expiry with less open interest has no shape and no pin score", ge=0)
    thin_coins: float = number(100.0, "crypto: the same", ge=0)
    flat_depth: float = number(0.15, "a pain curve less deep is flat", ge=0, le=1)
    v_depth: float = number(0.5, "a narrow pain curve at least this deep is a v", ge=0, le=1)
    skewed_asymmetry: float = number(0.4, "a pain curve this lopsided is skewed", ge=0, le=1)
    # A gamma flip is published where the chain near spot can carry one: strikes on either side, and no second root near it.
    flip_min_strikes: int = number(3, "a gamma flip needs so many strikes with open interest on either side of spot", ge=0)
    flip_min_window_pct: float = number(5.0, "within at least this distance from spot", ge=0)
    flip_sensitive_pct: float = number(0.25, "a second root this near to it, in percent of spot, spoils a flip", ge=0)
    stale_venue_seconds: float = number(600.0, "a venue whose instant is further from that of its snapshot is rejected", gt=0)


class CheckSettings(SettingsPart):
    """When a venue's chain is refused as a whole. All of them change numbers, because what is refused is not added up."""

    min_priced_share: float = number(
        0.5, "live rows with open interest that need an IV, or a price to solve one from, as a share of all of them", ge=0, le=1
    )
    min_side_share: float = number(0.1, "calls, and puts, of all live rows", ge=0, le=1)
    max_gone_expiries_share: float = number(0.5, "expiries of the venue's snapshot before that may be missing", ge=0, le=1)
    min_live_share_of_previous: float = number(0.5, "live contracts against the venue's snapshot before", ge=0, le=1)
    previous_max_age_days: float = number(7.0, "how old that snapshot may be", gt=0)
    spot_outlier_pct: float = number(0.5, "a venue's spot this far from the median is named", gt=0)
