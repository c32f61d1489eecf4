-- Gamma exposure of the live contracts of snapshot $id on $venues, of an expiry, instant, strike or all, by other conventions: a row per
-- convention.   Unit: USD per 1 % move but where the convention says otherwise; calls +, puts − (scenario std).   definitions §5
-- Values are rounded to the cent and added as DECIMAL, as those of the marts are.

with usable as (
    select * from core.snapshot_venues where snapshot_id = $id and status = 'ok' and list_contains($venues, venue)
),

contracts as (
    select
        quotes.option_type,
        quotes.oi_base,
        quotes.multiplier,
        quotes.venue_gamma,
        usable.spot,
        greeks.forward,
        greeks.gamma,
        greeks.gex_usd_1pct,
        case when quotes.option_type = 'C' then 1 else -1 end as sign
    from core.option_quotes as quotes
    inner join usable on quotes.snapshot_id = usable.snapshot_id and quotes.venue = usable.venue
    inner join core.option_greeks as greeks
        on quotes.snapshot_id = greeks.snapshot_id and quotes.venue = greeks.venue and quotes.instrument = greeks.instrument
    where
        ($expiry is null or quotes.expiry = $expiry::date)
        and ($expires_at is null or quotes.expires_at = $expires_at::timestamp)
        and ($strike is null or quotes.strike = $strike::double)
),

told as (
    select
        option_type,
        unnest([
            'ours', 'venue-gamma', 'at-forward', 'per-point', 'shares-per-point', 'per-100-percent', 'contracts'
        ]) as convention,
        unnest([
            gex_usd_1pct::double,
            sign * venue_gamma * spot * spot * oi_base * 0.01,
            gex_usd_1pct::double * pow(forward / spot, 2),
            gex_usd_1pct::double / (0.01 * spot),
            sign * gamma * oi_base,
            gex_usd_1pct::double * 100,
            gex_usd_1pct::double / multiplier
        ]) as value
    from contracts
)

select
    convention,
    sum(value::decimal(18, 2)) filter (option_type = 'C') as call_gex,
    sum(value::decimal(18, 2)) filter (option_type = 'P') as put_gex,
    net_of(call_gex, put_gex) as net_gex
from told
group by convention
order by convention
