-- backquant_scopes: the snapshots of an underlying in order of time, with their usable venues and the spot over all of them.
-- One row per snapshot.   Argument: underlying.   Unit: USD.   definitions §1 (snapshot), §2 (spot)

with usable as (
    select snapshot_id, list(venue order by venue) as venues, median(spot) as spot
    from core.snapshot_venues
    where underlying = $underlying and status = 'ok'
    group by snapshot_id
),

final as (
    select
        snapshots.snapshot_id,
        snapshots.market,
        snapshots.captured_at,
        string_split(snapshots.venues, ',') as all_venues,
        coalesce(usable.venues, []) as venues,
        usable.spot
    from core.snapshots as snapshots
    left join usable on snapshots.snapshot_id = usable.snapshot_id
    where snapshots.underlying = $underlying
)

select * from final
order by captured_at
