-- core.live_contracts: quotes and greeks of each live contract of a usable venue, side by side.
-- One row per snapshot_id, venue, instrument.   Units as core.option_quotes and core.option_greeks.   definitions §1, §3
-- view: not stored, because its rows are; marts.gex_heatmap adds it up, checks look at it

with quotes as (
    select * from core.option_quotes
),

greeks as (
    select * from core.option_greeks          -- live contracts of usable venues only
),

final as (
    select
        quotes.snapshot_id,
        quotes.venue,
        quotes.instrument,
        quotes.expires_at,
        quotes.expiry,
        quotes.strike,
        quotes.option_type,
        quotes.oi_base,
        quotes.oi_base / quotes.multiplier as oi_contracts,
        quotes.quoted_at,
        quotes.venue_iv,
        quotes.venue_forward,
        quotes.venue_gamma,
        greeks.forward,
        greeks.forward_source,
        greeks.tau,
        greeks.iv,
        greeks.gamma,
        greeks.gex_usd_1pct,
        greeks.dex_usd,
        greeks.vex_usd_1vol,
        greeks.chex_usd_day
    from quotes
    inner join greeks
        on quotes.snapshot_id = greeks.snapshot_id and quotes.venue = greeks.venue and quotes.instrument = greeks.instrument
)

select * from final
