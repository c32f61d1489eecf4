-- scan: the watchlist ranked by pin score: the newest snapshot of each underlying at or before a moment.
-- One row per underlying, best first; those without a score come last, by name.   definitions §9
-- Macro arguments are bare names here; columns are always qualified.

with newest as (
    select snapshots.snapshot_id
    from core.snapshots as snapshots
    where
        (as_of is null or snapshots.captured_at <= as_of::timestamp)
        and (not complete_only or snapshots.status = 'complete')
        and (
            underlyings is null
            or list_contains(list_transform(regexp_split_to_array(underlyings::varchar, '[^A-Za-z0-9.^_-]+'), one -> upper(one)), snapshots.underlying)
        )
    qualify row_number() over (partition by snapshots.underlying order by snapshots.captured_at desc) = 1
),

final as (
    select
        row_number() over (order by scanner.pin_score desc nulls last, scanner.underlying) as place,
        scanner.*
    from marts.scanner as scanner
    inner join newest on scanner.snapshot_id = newest.snapshot_id
    where scanner.scope_venue = 'all'
)

select * from final
order by place
