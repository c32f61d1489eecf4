-- api/flashalpha_gaps: days between the first and the last snapshot of an underlying that have no usable one, and why.
-- One row per day.   Parameters: underlying, at (naive UTC, null: all). A day is a session, in crypto a UTC day

with snapshots as (
    select *
    from core.snapshots
    where underlying = upper($underlying) and ($at::timestamp is null or captured_at <= $at::timestamp)
),

span as (
    select any_value(market) as market, min(session_date) as first_date, max(session_date) as last_date from snapshots
),

days as (
    select sessions.session_date as day
    from core.sessions as sessions
    inner join span on span.market = 'us' and sessions.session_date between span.first_date and span.last_date
    union all
    select unnest(generate_series(first_date, last_date, interval 1 day))::date as day
    from span
    where market = 'crypto'
),

refused as (
    select coalesce(session_date, captured_at::date, received_at::date) as day, min(error) as error
    from core.snapshot_venues
    where underlying = upper($underlying) and status <> 'ok'
    group by all
)

select days.day, coalesce(refused.error, 'no snapshot') as reason
from days
left join refused on days.day = refused.day
where days.day not in (select session_date from snapshots)
order by days.day
