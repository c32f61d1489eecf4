-- backquant_expiries: settlement instants that venues of a snapshot list, with their type, days left, and whether they are 0DTE.
-- One row per expires_at.   Arguments: snapshot_id, venues.   Unit: open interest in units of the underlying.   definitions §1, §2, §6, §8
-- Days are whole days of 24 hours for every market, as this dialect counts them. Of instants that share a date the one with the most open
-- interest speaks for it (is_main), the later one on a tie. 0DTE over several venues is today's, if any of them has that, as core.series.
-- Each venue's rows are in store; the published views, which offer an only venue as `all` too, would be planned as two scans.

with snapshots as (
    select snapshot_id, market, captured_at, local_date from core.snapshots where snapshot_id = $snapshot_id
),

series as (
    select snapshot_id, scope_venue, expires_at, expiry, is_zero_dte
    from store.series
    where kind = 'expiry' and snapshot_id = $snapshot_id and list_contains($venues::varchar[], scope_venue)
),

exposures as (
    select expires_at, call_oi, put_oi
    from store.gex_by_expiry
    where snapshot_id = $snapshot_id and list_contains($venues::varchar[], scope_venue)
),

calendar as (
    select market, expires_at, type, is_anchor from core.calendar
),

interest as (
    select expires_at, exact_sum(net_of(call_oi, put_oi)) as total_oi
    from exposures
    group by expires_at
),

instants as (
    select snapshot_id, expires_at, expiry, bool_or(is_zero_dte) as is_near
    from series
    group by snapshot_id, expires_at, expiry
),

flagged as (
    select
        instants.expires_at,
        instants.expiry,
        date_diff('second', snapshots.captured_at, instants.expires_at) // 86400 as dte,
        coalesce(calendar.type, 'unknown') as type,
        coalesce(calendar.is_anchor, false) as is_anchor,
        instants.is_near
        and (
            instants.expiry = snapshots.local_date
            or not bool_or(instants.is_near and instants.expiry = snapshots.local_date) over ()
        ) as is_zero_dte,
        interest.total_oi
    from instants
    inner join snapshots on instants.snapshot_id = snapshots.snapshot_id
    left join calendar on snapshots.market = calendar.market and instants.expires_at = calendar.expires_at
    left join interest on instants.expires_at = interest.expires_at
),

final as (
    select
        flagged.*,
        row_number() over (partition by expiry order by coalesce(total_oi, 0) desc, expires_at desc) = 1 as is_main
    from flagged
)

select * from final
order by expires_at
