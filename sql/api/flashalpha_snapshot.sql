-- api/flashalpha_snapshot: the newest snapshot of an underlying at or before a moment (null: of all), with what its quotes are of.
-- One row, or none.   Parameters: underlying, at (naive UTC).   definitions §1; oi_at: when the open interest was taken

with chosen as (
    select *
    from core.snapshots
    where underlying = upper($underlying) and ($at::timestamp is null or captured_at <= $at::timestamp)
    order by captured_at desc
    limit 1
),

members as (
    select chosen.snapshot_id, max(venues.oi_as_of) as oi_as_of
    from chosen
    inner join core.snapshot_venues as venues on chosen.snapshot_id = venues.snapshot_id and venues.status = 'ok'
    group by chosen.snapshot_id
),

-- index options are European, those of stocks and funds American
quotes as (
    select chosen.snapshot_id, bool_and(quotes.exercise = 'european') as is_european, max(quotes.quoted_at) as quoted_at
    from chosen
    inner join core.option_quotes as quotes on chosen.snapshot_id = quotes.snapshot_id and quotes.is_live
    group by chosen.snapshot_id
),

final as (
    select
        chosen.snapshot_id,
        chosen.underlying,
        chosen.market,
        chosen.captured_at,
        chosen.session_date,
        chosen.local_date,
        chosen.spot,
        chosen.market = 'us' and coalesce(quotes.is_european, false) as is_index,
        quotes.quoted_at,
        case when chosen.market = 'us' then sessions.closes_at else chosen.captured_at end as oi_at
    from chosen
    left join members on chosen.snapshot_id = members.snapshot_id
    left join quotes on chosen.snapshot_id = quotes.snapshot_id
    left join core.sessions as sessions on members.oi_as_of = sessions.session_date
)

select * from final
