-- The settings that levels, flips and scores were computed with: one row.

select
    level_min_share,
    flip_min_strikes,
    flip_min_window_pct,
    flip_sensitive_pct,
    gamma_source,
    thin_contracts,
    thin_coins
from core.parameters
