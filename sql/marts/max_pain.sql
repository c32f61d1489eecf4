-- marts.max_pain: max pain of each expiry, the strike where its holders are paid least.
-- One row per snapshot_id, scope_venue, expires_at.   Unit: USD; open interest in units of the underlying.   definitions §4, §9

with minima as (
    select * from core.pain_minimum
),

series as (
    select * from core.series where kind = 'expiry'
),

scopes as (
    select * from core.scopes
),

shapes as (
    select * from core.pain_shape
),

contracts as (
    select
        snapshot_id,
        scope_venue,
        expires_at,
        exact_sum(call_oi_contracts) as call_oi_contracts,
        exact_sum(put_oi_contracts) as put_oi_contracts
    from marts.gex_heatmap
    group by snapshot_id, scope_venue, expires_at
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
        minima.max_pain_strike,
        minima.max_pain_low,
        minima.max_pain_high,
        minima.max_pain_usd,
        minima.call_oi,
        minima.put_oi,
        minima.total_oi,
        contracts.call_oi_contracts,
        contracts.put_oi_contracts,
        minima.pcr,
        minima.spot,
        minima.distance_abs,
        minima.distance_pct,
        minima.direction,
        minima.signal,
        series.dte <= 60 as signal_is_informative,
        shapes.* exclude (series_id)
    from series
    inner join scopes on series.snapshot_id = scopes.snapshot_id and series.scope_venue = scopes.scope_venue
    inner join minima on series.series_id = minima.series_id
    inner join shapes on series.series_id = shapes.series_id
    inner join contracts
        on series.snapshot_id = contracts.snapshot_id
        and series.scope_venue = contracts.scope_venue
        and series.expires_at = contracts.expires_at
)

select * from final
order by snapshot_id, scope_venue, expires_at
