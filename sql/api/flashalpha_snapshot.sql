-- api/flashalpha_snapshot: the newest snapshot of an underlying at or before a moment (null: of all), and when its open interest was taken.
-- One row, or none.   Parameters: underlying, at (naive UTC).   definitions §1

with chosen as (
    select snapshot_id, underlying, market, captured_at, session_date, local_date, spot
    from core.snapshots
    where underlying = upper($underlying) and ($at::timestamp is null or captured_at <= $at::timestamp)
    order by captured_at desc
    limit 1
),

members as (
    select venues.snapshot_id, max(venues.oi_as_of) as oi_as_of
    from chosen
    inner join core.snapshot_venues as venues on chosen.snapshot_id = venues.snapshot_id and venues.status = 'ok'
    group by venues.snapshot_id
),

final as (
    select
        chosen.*,
        case when chosen.market = 'us' then sessions.closes_at else chosen.captured_at end as oi_at
    from chosen
    left join members on chosen.snapshot_id = members.snapshot_id
    left join core.sessions as sessions on members.oi_as_of = sessions.session_date
)

select * from final
