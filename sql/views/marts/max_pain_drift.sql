-- marts.max_pain_drift: how the max pain of an expiry moved from snapshot to snapshot.
-- One row per snapshot_id, scope_venue, expires_at.   Unit: USD, percent of spot, hours.   definitions §11
-- Snapshots follow each other by captured_at, whatever venues they cover: `venues` says which. The first of an expiry has no drift.
-- A view: it follows the snapshots that there are, in whatever order they were loaded.

with minima as (
    select * from marts.max_pain
),

scopes as (
    select * from core.scopes
),

joined as (
    select minima.*, scopes.venues
    from minima
    inner join scopes on minima.snapshot_id = scopes.snapshot_id and minima.scope_venue = scopes.scope_venue
),

final as (
    select
        snapshot_id,
        underlying,
        captured_at,
        session_date,
        scope_venue,
        expires_at,
        expiry,
        dte,
        venues,
        spot,
        max_pain_strike,
        max_pain_usd,
        total_oi,
        lag(snapshot_id) over up as previous_snapshot_id,
        lag(max_pain_strike) over up as previous_max_pain_strike,
        max_pain_strike - lag(max_pain_strike) over up as drift_usd,
        100 * (max_pain_strike - lag(max_pain_strike) over up) / spot as drift_pct,
        date_diff('second', lag(captured_at) over up, captured_at) / 3600 as drift_hours,
        max_pain_strike - first_value(max_pain_strike) over up as drift_since_first_usd,
        first_value(captured_at) over up as first_captured_at
    from joined
    window up as (partition by underlying, scope_venue, expires_at order by captured_at)
)

select * from final
