-- core.pain_minimum: where the pain curve of each series is lowest, and where spot stands relative to it.
-- One row per series_id.   Unit: USD; distance_pct in percent of spot.   definitions §4, §9
-- Strikes whose pain is within 1e-9 of the minimum (at least 1e-9 USD) are tied; the lowest is max pain.
-- transient: marts.max_pain and marts.max_pain_pooled publish it

with pain as (
    select * from core.pain
),

oi as (
    select * from core.oi_by_strike
),

series as (
    select * from core.series
),

scopes as (
    select * from core.scopes
),

totals as (
    select
        series_id,
        exact_sum(call_oi) as call_oi,
        exact_sum(put_oi) as put_oi
    from oi
    group by series_id
),

lowest as (
    select series_id, min(total_pain_usd) as lowest_pain_usd
    from pain
    group by series_id
),

tied as (
    select pain.series_id, min(pain.strike) as max_pain_low, max(pain.strike) as max_pain_high
    from pain
    inner join lowest on pain.series_id = lowest.series_id
    where pain.total_pain_usd <= lowest.lowest_pain_usd + 1e-9 * greatest(lowest.lowest_pain_usd, 1)
    group by pain.series_id
),

measured as (
    select
        series.series_id,
        scopes.spot,
        totals.call_oi,
        totals.put_oi,
        net_of(totals.call_oi, totals.put_oi) as total_oi,
        totals.put_oi / nullif(totals.call_oi, 0) as pcr,
        case when total_oi > 0 then tied.max_pain_low end as max_pain_strike,
        case when total_oi > 0 then tied.max_pain_low end as max_pain_low,
        case when total_oi > 0 then tied.max_pain_high end as max_pain_high,
        case when total_oi > 0 then lowest.lowest_pain_usd end as max_pain_usd
    from series
    inner join scopes on series.snapshot_id = scopes.snapshot_id and series.scope_venue = scopes.scope_venue
    inner join totals on series.series_id = totals.series_id
    inner join lowest on series.series_id = lowest.series_id
    inner join tied on series.series_id = tied.series_id
),

final as (
    select
        *,
        abs(spot - max_pain_strike) as distance_abs,
        100 * abs(spot - max_pain_strike) / spot as distance_pct,
        case
            when round(spot, 2) = round(max_pain_strike, 2) then 'at'
            when spot > max_pain_strike then 'above'
            when spot < max_pain_strike then 'below'
        end as direction,
        case
            when distance_pct is null then null
            when distance_pct >= 5 and spot < max_pain_strike then 'bullish'
            when distance_pct >= 5 then 'bearish'
            else 'neutral'
        end as signal
    from measured
)

select * from final
