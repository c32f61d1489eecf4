-- api/flashalpha_contracts: quotes and greeks of the live contracts of a snapshot, of one expiry date or of all, each venue's own.
-- One row per expires_at, strike, option_type, venue, instrument.   Parameters: snapshot_id, expiry (null: all).
-- Unit: USD, contracts; crypto: coins.   What venues share is folded in warehouse/api/flashalpha/contracts.py

with quotes as (
    select
        expires_at, expiry, strike, option_type, venue, instrument, bid, ask, oi_base, volume_base, multiplier,
        bid > 0 and ask >= bid as is_two_sided
    from core.option_quotes
    where snapshot_id = $snapshot_id and is_live and ($expiry::date is null or expiry = $expiry::date)
),

greeks as (
    select venue, instrument, iv, delta, gamma, theta from core.option_greeks where snapshot_id = $snapshot_id
),

snapshots as (
    select market from core.snapshots where snapshot_id = $snapshot_id
),

final as (
    select
        quotes.expires_at,
        quotes.expiry,
        quotes.strike,
        quotes.option_type,
        quotes.venue,
        quotes.instrument,
        case when snapshots.market = 'us' then quotes.oi_base / quotes.multiplier else quotes.oi_base end as oi,
        quotes.oi_base,
        case when snapshots.market = 'us' then quotes.volume_base / quotes.multiplier else quotes.volume_base end as volume,
        greeks.iv,
        greeks.delta,
        greeks.gamma,
        greeks.theta,
        case when quotes.is_two_sided then (quotes.bid + quotes.ask) / 2 end as mid,
        case when quotes.is_two_sided then 100 * (quotes.ask - quotes.bid) / ((quotes.bid + quotes.ask) / 2) end as spread_pct
    from quotes
    inner join greeks on quotes.venue = greeks.venue and quotes.instrument = greeks.instrument
    cross join snapshots
)

select * from final
order by expires_at, strike, option_type, venue, instrument
