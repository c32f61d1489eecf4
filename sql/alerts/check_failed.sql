-- Alert check_failed: a check found something in the newest capture of an underlying, or refused a venue's chain as a whole.
-- One row per underlying, venue, check.   Inputs: ops.check_results, core.snapshot_venues (live ones).
-- $severity: required, or any. The next capture without it ends it.

with venues as (
    select * from core.snapshot_venues
),

results as (
    select * from ops.check_results
),

newest as (
    select underlying, max(snapshot_id) as snapshot_id
    from venues
    where origin = 'live'
    group by underlying
),

found as (
    select
        newest.underlying,
        newest.snapshot_id,
        results.venue,
        results.check_name,
        format('{} rows, such as {}', results.rows, results.example) as detail
    from results
    inner join newest on results.snapshot_id = newest.snapshot_id
    where results.severity = 'required' or $severity = 'any'
),

refused as (
    select
        newest.underlying,
        newest.snapshot_id,
        venues.venue,
        regexp_extract(venues.error, '^[A-Za-z_]+') as check_name,
        venues.error as detail
    from venues
    inner join newest on venues.snapshot_id = newest.snapshot_id
    where venues.status = 'rejected'
),

together as (
    select *, 1 as place from found
    union all
    select *, 2 as place from refused
),

final as (
    select
        underlying,
        venue || '|' || check_name as subject,
        format('Check {} of {} on {}: {} ({})', check_name, underlying, venue, detail, snapshot_id) as message
    from together
    qualify row_number() over (partition by underlying, venue, check_name order by place) = 1
)

select * from final
order by underlying, subject
