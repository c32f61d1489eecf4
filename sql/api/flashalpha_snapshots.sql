-- api/flashalpha_snapshots: the snapshots of an underlying in order of time, and when the open interest of each was taken.
-- One row per snapshot.   Parameter: underlying.   definitions §1

with members as (
    select snapshot_id, max(oi_as_of) as oi_as_of
    from core.snapshot_venues
    where underlying = upper($underlying) and status = 'ok'
    group by snapshot_id
),

final as (
    select
        snapshots.snapshot_id,
        snapshots.underlying,
        snapshots.market,
        snapshots.captured_at,
        snapshots.session_date,
        snapshots.local_date,
        snapshots.spot,
        snapshots.venues,
        case when snapshots.market = 'us' then sessions.closes_at else snapshots.captured_at end as oi_at
    from core.snapshots as snapshots
    left join members on snapshots.snapshot_id = members.snapshot_id
    left join core.sessions as sessions on members.oi_as_of = sessions.session_date
    where snapshots.underlying = upper($underlying)
)

select * from final
order by captured_at
