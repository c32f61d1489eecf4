-- marts.pain_curve: what option holders are paid in total if the underlying settles at each listed strike of an expiry.
-- One row per snapshot_id, scope_venue, expires_at, strike.   Unit: USD.   definitions §4

with pain as (
    select * from core.pain
),

series as (
    select * from core.series where kind = 'expiry'
),

scopes as (
    select * from core.scopes
),

final as (
    select
        series.snapshot_id,
        scopes.underlying,
        scopes.captured_at,
        scopes.session_date,
        series.scope_venue,
        series.is_only_venue,
        series.expires_at,
        series.expiry,
        series.dte,
        pain.strike,
        pain.call_pain_usd,
        pain.put_pain_usd,
        pain.total_pain_usd
    from pain
    inner join series on pain.series_id = series.series_id
    inner join scopes on series.snapshot_id = scopes.snapshot_id and series.scope_venue = scopes.scope_venue
)

select * from final
order by snapshot_id, scope_venue, expires_at, strike
