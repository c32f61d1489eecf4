-- The gamma profile of the cells asked for, with the place of each strike in what levels are chosen by: a row per strike.
-- $instants: settlement instants, null for all.   Unit: USD per 1 % move; share of the profile's largest |net|.   definitions §6
-- Ties go to the strike nearest spot, then to the lower one; a strike equal to spot is on neither side.

with cells as (
    select *
    from gex_heatmap($underlying, as_of := $as_of, venues := $venues, expiry := $expiry, expires_at := $expires_at)
    where $instants is null or list_contains($instants, expires_at)
),

strikes as (
    select
        strike,
        exact_sum(call_oi) as call_oi,
        exact_sum(put_oi) as put_oi,
        net_of(exact_sum(call_oi), exact_sum(put_oi)) as total_oi,
        sum(call_gex_usd_1pct) as call_gex_usd_1pct,
        sum(put_gex_usd_1pct) as put_gex_usd_1pct,
        net_of(sum(call_gex_usd_1pct), sum(put_gex_usd_1pct)) as net_gex_usd_1pct,
        abs(strike - $spot::double) as from_spot,
        case when strike > $spot::double then 'above' when strike < $spot::double then 'below' end as side
    from cells
    group by strike
)

select
    strike,
    side,
    call_oi,
    put_oi,
    total_oi,
    call_gex_usd_1pct,
    put_gex_usd_1pct,
    net_gex_usd_1pct,
    net_gex_usd_1pct::double / nullif(max(abs(net_gex_usd_1pct)) over (), 0)::double as share,
    sum(net_gex_usd_1pct) over (order by strike rows unbounded preceding) as cumulative_gex_usd_1pct,
    row_number() over (partition by side order by net_gex_usd_1pct desc nulls last, from_spot, strike) as place_on_side,
    row_number() over (order by net_gex_usd_1pct desc nulls last, from_spot, strike) as place_by_net,
    row_number() over (order by net_gex_usd_1pct nulls last, from_spot, strike) as place_by_negative_net,
    row_number() over (order by abs(net_gex_usd_1pct) desc nulls last, from_spot, strike) as place_by_size,
    row_number() over (order by abs(call_gex_usd_1pct) desc nulls last, from_spot, strike) as place_by_call,
    row_number() over (order by abs(put_gex_usd_1pct) desc nulls last, from_spot, strike) as place_by_put,
    row_number() over (order by total_oi desc nulls last, from_spot, strike) as place_by_oi,
    row_number() over (order by call_oi desc nulls last, from_spot, strike) as place_by_call_oi,
    row_number() over (order by put_oi desc nulls last, from_spot, strike) as place_by_put_oi
from strikes
order by strike
