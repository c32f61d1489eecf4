-- marts.max_pain_pooled: max pain of all live expiries together. No settlement event: they never settle at one price.
-- One row per snapshot_id, scope_venue.   Unit: USD; open interest in units of the underlying.   definitions §4, §9

with minima as (
    select * from core.pain_minimum
),

series as (
    select * from core.series where kind = 'pooled'
),

scopes as (
    select * from core.scopes
),

scores as (
    select * from core.pin_score
),

pooled as (
    select
        snapshot_id,
        scope_venue,
        count(distinct expires_at) as expiries,
        exact_sum(call_oi_contracts) as call_oi_contracts,
        exact_sum(put_oi_contracts) as put_oi_contracts
    from marts.gex_heatmap
    group by snapshot_id, scope_venue
),

final as (
    select
        series.snapshot_id,
        scopes.underlying,
        scopes.captured_at,
        scopes.session_date,
        series.scope_venue,
        series.is_only_venue,
        minima.max_pain_strike,
        minima.max_pain_low,
        minima.max_pain_high,
        minima.max_pain_usd,
        minima.call_oi,
        minima.put_oi,
        minima.total_oi,
        pooled.call_oi_contracts,
        pooled.put_oi_contracts,
        minima.pcr,
        minima.spot,
        minima.distance_abs,
        minima.distance_pct,
        minima.direction,
        minima.signal,
        pooled.expiries,
        scores.* exclude (series_id, spot, max_pain_strike, distance_abs)
    from series
    inner join scopes on series.snapshot_id = scopes.snapshot_id and series.scope_venue = scopes.scope_venue
    inner join minima on series.series_id = minima.series_id
    inner join scores on series.series_id = scores.series_id
    inner join pooled on series.snapshot_id = pooled.snapshot_id and series.scope_venue = pooled.scope_venue
)

select * from final
order by snapshot_id, scope_venue
