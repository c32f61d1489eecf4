-- backquant_symbols: each underlying with its newest snapshot, and since when it is stored. One row per underlying.
-- Unit: USD.   definitions §1, §2

with snapshots as (
    select * from core.snapshots
),

ends as (
    select underlying, min(captured_at) as first_snapshot, max(captured_at) as last_snapshot
    from snapshots
    group by underlying
),

expiries as (
    select snapshot_id, count(distinct expiry) as expiry_count
    from core.series
    where kind = 'expiry'
    group by snapshot_id
),

final as (
    select
        ends.underlying,
        snapshots.market,
        snapshots.spot,
        string_split(snapshots.venues, ',') as venues,
        coalesce(expiries.expiry_count, 0) as expiry_count,
        ends.first_snapshot,
        ends.last_snapshot
    from ends
    inner join snapshots on ends.underlying = snapshots.underlying and ends.last_snapshot = snapshots.captured_at
    left join expiries on snapshots.snapshot_id = expiries.snapshot_id
)

select * from final
order by underlying
