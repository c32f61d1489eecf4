-- api/flashalpha_profile_of_settlement: open interest and exposures by strike of one settlement instant of a snapshot, over all venues.
-- One row per strike.   Parameters: snapshot_id, expires_at.   Unit: as marts.gex_by_strike.   definitions §5

select
    strike,
    call_oi,
    put_oi,
    call_oi_contracts,
    put_oi_contracts,
    call_gex_usd_1pct,
    put_gex_usd_1pct,
    net_gex_usd_1pct,
    abs_gex_usd_1pct,
    call_dex_usd,
    put_dex_usd,
    net_vex_usd_1vol,
    net_chex_usd_day
from marts.gex_heatmap
where snapshot_id = $snapshot_id and scope_venue = 'all' and expires_at = $expires_at::timestamp
order by strike
