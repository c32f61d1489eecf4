"""`core.parameters`: the settings that relations and checks read."""

from __future__ import annotations

import polars as pl

from models.contracts.core import Parameters
from warehouse.settings import Settings


def parameters_frame(settings: Settings) -> pl.DataFrame:
    """The row of `core.parameters`."""
    return pl.DataFrame(
        [
            {
                "settings_hash": settings.numbers_hash,
                "level_min_share": settings.models.level_min_share,
                "min_live_share_of_previous": settings.checks.min_live_share_of_previous,
                "max_gone_expiries_share": settings.checks.max_gone_expiries_share,
                "spot_outlier_pct": settings.checks.spot_outlier_pct,
                "previous_max_age_days": settings.checks.previous_max_age_days,
                "thin_contracts": settings.models.thin_contracts,
                "thin_coins": settings.models.thin_coins,
                "flat_depth": settings.models.flat_depth,
                "v_depth": settings.models.v_depth,
                "skewed_asymmetry": settings.models.skewed_asymmetry,
                "gamma_source": settings.models.gamma_source,
                "flip_min_strikes": settings.models.flip_min_strikes,
                "flip_min_window_pct": settings.models.flip_min_window_pct,
                "flip_sensitive_pct": settings.models.flip_sensitive_pct,
            }
        ],
        schema={name: column.dtype for name, column in Parameters.columns().items()},
    )
