-- core.pain: what option holders are paid in total if the underlying settles at each listed strike of a series.
-- One row per series_id, strike.   Unit: USD; slope_below, slope_above: USD per 1 USD of settlement price.   definitions §4
-- Running sums over strikes in order: each strike is visited once, and one window order serves both legs.
-- Lots and ticks are whole numbers, so the sums are exact up to 2^53 (check pain_not_exact); the one division at the end rounds once.
-- transient: marts.pain_curve publishes it

with oi as (
    select * from core.oi_by_strike
),

series as (
    select series_id, oi_scale, oi_scale * strike_scale as scale from core.series
),

running as (
    select
        series_id,
        strike,
        strike_ticks,
        call_lots,
        put_lots,
        sum(call_lots::double) over up_to_here as call_lots_below,
        sum(call_lots::double * strike_ticks) over up_to_here as call_lot_ticks_below,
        sum(put_lots::double) over from_here as put_lots_above,
        sum(put_lots::double * strike_ticks) over from_here as put_lot_ticks_above
    from oi
    window
        up_to_here as (partition by series_id order by strike rows unbounded preceding),
        from_here as (partition by series_id order by strike rows between current row and unbounded following)
),

final as (
    select
        running.series_id,
        running.strike,
        (running.strike_ticks * running.call_lots_below - running.call_lot_ticks_below) / series.scale as call_pain_usd,
        (running.put_lot_ticks_above - running.strike_ticks * running.put_lots_above) / series.scale as put_pain_usd,
        call_pain_usd + put_pain_usd as total_pain_usd,
        -- of the straight lines to either side
        (running.call_lots_below - running.call_lots - running.put_lots_above) / series.oi_scale as slope_below,
        (running.call_lots_below - (running.put_lots_above - running.put_lots)) / series.oi_scale as slope_above
    from running
    inner join series on running.series_id = series.series_id
)

select * from final
