-- core.oi_by_strike: open interest on each listed strike of each series, also as whole lots and ticks.
-- One row per snapshot_id, series_id, strike.   Unit: units of the underlying.   definitions §1, §4
-- Missing open interest is null, adds nothing, and its strike stays a candidate.

with heatmap as (
    select * from marts.gex_heatmap
),

series as (
    select * from core.series
),

per_expiry as (
    select
        series.snapshot_id,
        series.series_id,
        series.oi_scale,
        series.strike_scale,
        heatmap.strike,
        heatmap.call_oi,
        heatmap.put_oi
    from heatmap
    inner join series
        on heatmap.snapshot_id = series.snapshot_id
        and heatmap.scope_venue = series.scope_venue
        and heatmap.expires_at = series.expires_at
),

sums as (
    select snapshot_id, scope_venue, strike, exact_sum(call_oi) as call_oi, exact_sum(put_oi) as put_oi
    from heatmap
    group by snapshot_id, scope_venue, strike
),

pooled as (
    select
        series.snapshot_id,
        series.series_id,
        series.oi_scale,
        series.strike_scale,
        sums.strike,
        sums.call_oi,
        sums.put_oi
    from sums
    inner join series on sums.snapshot_id = series.snapshot_id and sums.scope_venue = series.scope_venue and series.kind = 'pooled'
),

strikes as (
    select * from per_expiry
    union all
    select * from pooled
),

final as (
    select
        snapshot_id,
        series_id,
        strike,
        call_oi,
        put_oi,
        round(coalesce(call_oi, 0) * oi_scale)::bigint as call_lots,
        round(coalesce(put_oi, 0) * oi_scale)::bigint as put_lots,
        round(strike * strike_scale)::bigint as strike_ticks
    from strikes
)

select * from final
order by snapshot_id, series_id, strike
