-- api/flashalpha_contracts: quotes and greeks of the live contracts of a snapshot over all venues, of one expiry date or of all.
-- One row per expires_at, strike, option_type; several venues are means weighted by open interest (definitions §7), sums for interest and
-- volume.   Parameters: snapshot_id, expiry (null: all).   Unit: USD, contracts; crypto: coins

with quotes as (
    select *
    from core.option_quotes
    where snapshot_id = $snapshot_id and is_live and ($expiry::date is null or expiry = $expiry::date)
),

greeks as (
    select * from core.option_greeks where snapshot_id = $snapshot_id
),

snapshots as (
    select * from core.snapshots where snapshot_id = $snapshot_id
),

sided as (
    select
        quotes.*,
        greeks.iv,
        greeks.delta,
        greeks.gamma,
        greeks.theta,
        quotes.bid > 0 and quotes.ask >= quotes.bid as is_two_sided,
        case when is_two_sided then (quotes.bid + quotes.ask) / 2 end as mid,
        case when is_two_sided then 100 * (quotes.ask - quotes.bid) / ((quotes.bid + quotes.ask) / 2) end as spread_pct,
        case when snapshots.market = 'us' then quotes.oi_base / quotes.multiplier else quotes.oi_base end as oi,
        case when snapshots.market = 'us' then quotes.volume_base / quotes.multiplier else quotes.volume_base end as volume
    from quotes
    inner join greeks on quotes.venue = greeks.venue and quotes.instrument = greeks.instrument
    cross join snapshots
),

weighted as (
    select
        *,
        case
            when sum(coalesce(oi_base, 0)) over (partition by expires_at, strike, option_type) > 0 then coalesce(oi_base, 0)
            else 1
        end as weight
    from sided
),

final as (
    select
        expires_at,
        expiry,
        strike,
        option_type,
        exact_sum(oi) as oi,
        exact_sum(oi_base) as oi_base,
        exact_sum(volume) as volume,
        sum(iv * weight order by venue, instrument) / nullif(sum(weight order by venue, instrument) filter (where iv is not null), 0) as iv,
        sum(delta * weight order by venue, instrument)
        / nullif(sum(weight order by venue, instrument) filter (where delta is not null), 0) as delta,
        sum(gamma * weight order by venue, instrument)
        / nullif(sum(weight order by venue, instrument) filter (where gamma is not null), 0) as gamma,
        sum(theta * weight order by venue, instrument)
        / nullif(sum(weight order by venue, instrument) filter (where theta is not null), 0) as theta,
        sum(mid * weight order by venue, instrument)
        / nullif(sum(weight order by venue, instrument) filter (where mid is not null), 0) as mid,
        sum(spread_pct * weight order by venue, instrument)
        / nullif(sum(weight order by venue, instrument) filter (where spread_pct is not null), 0) as spread_pct,
        count(*) as contracts,
        count(*) filter (where oi_base > 0) as with_oi,
        count(*) filter (where oi_base > 0 and iv is null) as without_iv
    from weighted
    group by expires_at, expiry, strike, option_type
)

select * from final
order by expires_at, strike, option_type
