-- marts.expiry_summary: forward, volatilities, straddle, expected moves and density of each expiry, beside its type and exposure.
-- One row per snapshot_id, scope_venue, expires_at.   Unit: USD; volatilities as annualised fractions; tau in years.   definitions §7, §8
-- Exposures and open interest are sums over the scope; what the smile says is in sql/core/scope_smile.sql.

with scopes as (
    select * from core.scopes
),

series as (
    select * from core.series where kind = 'expiry'
),

types as (
    select * from core.calendar
),

sessions as (
    select * from core.sessions
),

smile as (
    select * from core.scope_smile
),

exposures as (
    select
        snapshot_id,
        scope_venue,
        expires_at,
        exact_sum(net_of(call_oi, put_oi)) as total_oi,
        sum(net_gex_usd_1pct) as net_gex_usd_1pct
    from marts.gex_heatmap
    group by snapshot_id, scope_venue, expires_at
),

expiries as (
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
        types.type,
        types.is_anchor,
        scopes.market,
        scopes.spot,
        exposures.total_oi,
        exposures.net_gex_usd_1pct,
        smile.* exclude (snapshot_id, scope_venue, expires_at)
    from series
    inner join scopes on series.snapshot_id = scopes.snapshot_id and series.scope_venue = scopes.scope_venue
    inner join exposures
        on series.snapshot_id = exposures.snapshot_id
        and series.scope_venue = exposures.scope_venue
        and series.expires_at = exposures.expires_at
    left join types on scopes.market = types.market and series.expires_at = types.expires_at
    left join smile
        on series.snapshot_id = smile.snapshot_id and series.scope_venue = smile.scope_venue and series.expires_at = smile.expires_at
),

-- the nearest expiry of a day or more; by instants, because a tau of exactly one day may be a last bit short of 1/365
nearest as (
    select *
    from expiries
    where expires_at >= measured_at + interval 1 day and expected_move_1sd is not null
    qualify row_number() over (partition by snapshot_id, scope_venue order by expires_at) = 1
),

-- so that Friday evening speaks of Monday and not of Saturday
closes as (
    select nearest.snapshot_id, nearest.scope_venue, greatest(1, count(sessions.closes_at)) as sessions_used
    from nearest
    left join sessions on nearest.measured_at < sessions.closes_at and nearest.expires_at >= sessions.closes_at
    where nearest.market = 'us'
    group by nearest.snapshot_id, nearest.scope_venue
),

one_day as (
    select
        nearest.snapshot_id,
        nearest.scope_venue,
        nearest.expires_at as expiry_used,
        closes.sessions_used,
        nearest.expected_move_1sd,
        nearest.straddle_1sd,
        sqrt(coalesce(1 / closes.sessions_used, 1 / 365 / nearest.tau)) as scale
    from nearest
    left join closes on nearest.snapshot_id = closes.snapshot_id and nearest.scope_venue = closes.scope_venue
),

final as (
    select
        expiries.*,
        (expiries.total_oi * expiries.spot)::decimal(18, 2) as notional_oi_usd,
        one_day.expiry_used,
        one_day.sessions_used,
        significant(one_day.scale * one_day.expected_move_1sd) as expected_move_1d_1sd,
        significant(2 * one_day.scale * one_day.expected_move_1sd) as expected_move_1d_2sd,
        significant(one_day.scale * one_day.straddle_1sd) as straddle_1d_1sd,
        case when one_day.expiry_used is null then 'no_expiry' end as expected_move_1d_reason
    from expiries
    left join one_day on expiries.snapshot_id = one_day.snapshot_id and expiries.scope_venue = one_day.scope_venue
)

select * from final
order by snapshot_id, scope_venue, expires_at
