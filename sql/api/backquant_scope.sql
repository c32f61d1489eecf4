-- backquant_scope: the snapshot that a request reads, which of the asked venues it has, and the spot over these.
-- One row, or none before the first snapshot.   Arguments: underlying; as_of and venues, null for the newest and for all.
-- Unit: USD.   definitions §1 (snapshot), §2 (spot)
-- The snapshot is chosen before the venues: a venue that is missing from it is not filled from an older one.

with chosen as (
    select *
    from core.snapshots
    where underlying = $underlying and ($as_of::timestamp is null or captured_at <= $as_of::timestamp)
    order by captured_at desc
    limit 1
),

usable as (
    select * from core.snapshot_venues where status = 'ok'
),

final as (
    select
        chosen.snapshot_id,
        chosen.market,
        chosen.captured_at,
        string_split(chosen.venues, ',') as all_venues,
        coalesce(list(usable.venue order by usable.venue) filter (usable.venue is not null), []) as venues,
        median(usable.spot) as spot
    from chosen
    left join usable
        on chosen.snapshot_id = usable.snapshot_id
        and ($venues::varchar[] is null or list_contains($venues::varchar[], usable.venue))
    group by all
)

select * from final
order by snapshot_id
