-- backquant_venues: what each venue gave to the newest snapshots. One row per venue, underlying.   Unit: live contracts.

with newest as (
    select * from latest.snapshots
),

usable as (
    select * from core.snapshot_venues where status = 'ok'
),

final as (
    select usable.venue, usable.underlying, usable.market, usable.live_contracts
    from newest
    inner join usable on newest.snapshot_id = usable.snapshot_id
)

select * from final
order by venue, underlying
