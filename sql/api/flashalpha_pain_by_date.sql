-- api/flashalpha_pain_by_date: pain curves of a snapshot, of each expiry date (its instants pooled first) and of the whole chain.
-- Over all venues. One row per expiry (null: all live expiries together), strike.   Parameter: snapshot_id.
-- Unit: USD; open interest in units of the underlying and in contracts.   definitions §1 (a request by date), §4
-- The whole numbers that make the sums exact are those of core.series, core.oi_by_strike.

with series as (
    select * from core.series where snapshot_id = $snapshot_id and scope_venue = 'all' and kind = 'expiry'
),

scales as (
    select max(oi_scale) as oi_scale, max(strike_scale) as strike_scale from series
),

heatmap as (
    select expiry, strike, call_oi, put_oi, call_oi_contracts, put_oi_contracts
    from marts.gex_heatmap
    where snapshot_id = $snapshot_id and scope_venue = 'all'
),

groups as (
    select * from heatmap
    union all
    select * replace (null as expiry) from heatmap
),

oi as (
    select
        groups.expiry,
        groups.strike,
        exact_sum(groups.call_oi) as call_oi,
        exact_sum(groups.put_oi) as put_oi,
        exact_sum(groups.call_oi_contracts) as call_oi_contracts,
        exact_sum(groups.put_oi_contracts) as put_oi_contracts,
        round(coalesce(exact_sum(groups.call_oi), 0) * any_value(scales.oi_scale))::double as call_lots,
        round(coalesce(exact_sum(groups.put_oi), 0) * any_value(scales.oi_scale))::double as put_lots,
        round(groups.strike * any_value(scales.strike_scale))::double as ticks,
        any_value(scales.oi_scale * scales.strike_scale) as scale
    from groups
    cross join scales
    group by groups.expiry, groups.strike
),

running as (
    select
        oi.*,
        sum(call_lots) over up_to_here as calls_below,
        sum(call_lots * ticks) over up_to_here as call_ticks_below,
        sum(put_lots) over from_here as puts_above,
        sum(put_lots * ticks) over from_here as put_ticks_above
    from oi
    window
        up_to_here as (partition by expiry order by strike rows unbounded preceding),
        from_here as (partition by expiry order by strike rows between current row and unbounded following)
),

curves as (
    select
        expiry,
        strike,
        call_oi,
        put_oi,
        call_oi_contracts,
        put_oi_contracts,
        (ticks * calls_below - call_ticks_below) / scale as call_pain_usd,
        (put_ticks_above - ticks * puts_above) / scale as put_pain_usd,
        call_pain_usd + put_pain_usd as total_pain_usd
    from running
),

lowest as (
    select expiry, min(total_pain_usd) as lowest_pain_usd, coalesce(exact_sum(net_of(call_oi, put_oi)), 0) as total_oi
    from curves
    group by expiry
),

final as (
    select
        curves.*,
        -- of strikes tied within 1e-9 the lowest is max pain; without open interest there is none
        lowest.total_oi > 0
        and curves.strike = min(curves.strike) filter (
            where curves.total_pain_usd <= lowest.lowest_pain_usd + 1e-9 * greatest(lowest.lowest_pain_usd, 1)
        ) over (partition by curves.expiry) as is_max_pain
    from curves
    inner join lowest on curves.expiry is not distinct from lowest.expiry
)

select * from final
order by expiry nulls first, strike
