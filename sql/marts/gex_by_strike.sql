-- marts.gex_by_strike: exposures by strike over all live expiries.
-- One row per snapshot_id, scope_venue, strike.   Units as marts.gex_heatmap.   definitions §5

with profile as (
    select * from core.gex_profile where scope_expiry = 'all'
),

final as (
    select * exclude (scope_expiry) from profile
)

select * from final
order by snapshot_id, scope_venue, strike
