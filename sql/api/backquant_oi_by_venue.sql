-- backquant_oi_by_venue: open interest of each venue of a snapshot. One row per scope_venue, expires_at, strike.
-- Arguments: snapshot_id, venues.   Unit: units of the underlying, and contracts.

with heatmap as (
    select * from marts.gex_heatmap
),

final as (
    select scope_venue, expires_at, expiry, strike, call_oi, put_oi, call_oi_contracts, put_oi_contracts
    from heatmap
    where snapshot_id = $snapshot_id and list_contains($venues::varchar[], scope_venue)
)

select * from final
order by scope_venue, expires_at, strike
