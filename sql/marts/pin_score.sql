-- marts.pin_score: how much speaks for settlement at max pain of each expiry, its parts, and how max pain stands to walls and gamma flip.
-- One row per snapshot_id, scope_venue, expires_at.   Unit: USD; score and parts 0 to 100.   definitions §9
-- A score, not a probability: marts.pin_calibration says what came of such scores.

with scores as (
    select * from core.pin_score
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
        scores.* exclude (series_id)
    from series
    inner join scopes on series.snapshot_id = scopes.snapshot_id and series.scope_venue = scopes.scope_venue
    inner join scores on series.series_id = scores.series_id
)

select * from final
order by snapshot_id, scope_venue, expires_at
