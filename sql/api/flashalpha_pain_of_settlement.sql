-- api/flashalpha_pain_of_settlement: the pain curve of one settlement instant of a snapshot, over all venues, with its open interest.
-- One row per strike.   Parameters: snapshot_id, expires_at.   Unit: USD; open interest in units of the underlying and in contracts.
-- definitions §4

with curve as (
    select strike, call_pain_usd, put_pain_usd, total_pain_usd
    from marts.pain_curve
    where snapshot_id = $snapshot_id and scope_venue = 'all' and expires_at = $expires_at::timestamp
),

cells as (
    select strike, call_oi, put_oi, call_oi_contracts, put_oi_contracts
    from marts.gex_heatmap
    where snapshot_id = $snapshot_id and scope_venue = 'all' and expires_at = $expires_at::timestamp
),

final as (
    select curve.*, cells.* exclude (strike)
    from curve
    inner join cells on curve.strike = cells.strike
)

select * from final
order by strike
