-- marts.expiry_summary: forward, volatilities, straddle, expected moves and density of each expiry, beside its type and exposure.
-- One row per snapshot_id, scope_venue, expires_at.   Unit: USD; volatilities as annualised fractions; tau in years.   definitions §2, §7
-- Over several venues or books volatilities, F/S, discount and straddle are means weighted by open interest; exposures are sums, and a
-- density is one book's. tau counts from captured_at for crypto over several venues, else from the quotes of the scope's venue.

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

-- tau is exact to the microsecond, so it tells the instant of the quotes
smile as (
    select
        *,
        venue || '/' || book as place,
        forward / spot as forward_to_spot,
        expires_at - to_microseconds(round(tau * 31536000000000)::bigint) as quoted_at
    from core.expiry_smile
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

members as (
    select *, unnest(string_split(venues, ',')) as venue from scopes
),

listings as (
    select smile.*, members.scope_venue
    from members
    inner join smile on members.snapshot_id = smile.snapshot_id and members.venue = smile.venue
),

instants as (
    select
        scopes.snapshot_id,
        scopes.scope_venue,
        case
            when scopes.market = 'crypto' and contains(scopes.venues, ',') then scopes.captured_at
            else min(listings.quoted_at)
        end as measured_at
    from scopes
    inner join listings on scopes.snapshot_id = listings.snapshot_id and scopes.scope_venue = listings.scope_venue
    group by scopes.snapshot_id, scopes.scope_venue, scopes.market, scopes.venues, scopes.captured_at
),

means as (
    select
        snapshot_id,
        scope_venue,
        expires_at,
        count(*) as books,
        mean_by_weight(forward_to_spot, oi_base, place) as forward_to_spot,
        mean_by_weight(discount, oi_base, place) as discount,
        mean_by_weight(straddle, oi_base, place) as straddle,
        mean_by_weight(atm_iv, oi_base, place) as atm_iv,
        mean_by_weight(put_25d_iv, oi_base, place) as put_25d_iv,
        mean_by_weight(call_25d_iv, oi_base, place) as call_25d_iv,
        case when min(atm_strike) = max(atm_strike) and count(atm_strike) = count(*) then min(atm_strike) end as atm_strike,
        string_agg(distinct straddle_source, ',' order by straddle_source) as straddle_source,
        case when count(straddle) = 0 then string_agg(distinct straddle_reason, ',' order by straddle_reason) end as straddle_reason,
        case when count(atm_iv) = 0 then string_agg(distinct atm_iv_reason, ',' order by atm_iv_reason) end as atm_iv_reason,
        case when count(put_25d_iv) = 0 then string_agg(distinct put_25d_reason, ',' order by put_25d_reason) end as put_25d_reason,
        case when count(call_25d_iv) = 0 then string_agg(distinct call_25d_reason, ',' order by call_25d_reason) end as call_25d_reason,
        case when count(*) > 1 then 'several_books' else min(density_reason) end as density_reason,
        sum(density_quotes)::integer as density_quotes,
        case when count(*) = 1 then min(density_inside_share) end as density_inside_share,
        case when count(*) = 1 then min(density_quoted_mass) end as density_quoted_mass,
        case when count(*) = 1 then min(density_left_tail) end as density_left_tail,
        case when count(*) = 1 then min(density_right_tail) end as density_right_tail,
        case when count(*) = 1 then min(density_mean) end as density_mean,
        case when count(*) = 1 then min(density_log_sd) end as density_log_sd,
        case when count(*) = 1 then min(density_log_skewness) end as density_log_skewness,
        case when count(*) = 1 then min(density_log_excess_kurtosis) end as density_log_excess_kurtosis
    from listings
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
        instants.measured_at,
        date_diff('microsecond', instants.measured_at, series.expires_at) / 31536000000000 as tau,
        exposures.total_oi,
        exposures.net_gex_usd_1pct,
        means.* exclude (snapshot_id, scope_venue, expires_at)
    from series
    inner join scopes on series.snapshot_id = scopes.snapshot_id and series.scope_venue = scopes.scope_venue
    inner join exposures
        on series.snapshot_id = exposures.snapshot_id
        and series.scope_venue = exposures.scope_venue
        and series.expires_at = exposures.expires_at
    left join types on scopes.market = types.market and series.expires_at = types.expires_at
    left join instants on series.snapshot_id = instants.snapshot_id and series.scope_venue = instants.scope_venue
    left join means
        on series.snapshot_id = means.snapshot_id and series.scope_venue = means.scope_venue and series.expires_at = means.expires_at
),

moves as (
    select
        *,
        significant(spot * forward_to_spot) as forward,
        significant(straddle / discount * sqrt(pi() / 2) / forward_to_spot) as straddle_1sd,
        significant(2 * (straddle / discount * sqrt(pi() / 2) / forward_to_spot)) as straddle_2sd,
        case when tau > 0 then significant(spot * atm_iv * sqrt(tau)) end as expected_move_1sd,
        case when tau > 0 then significant(2 * (spot * atm_iv * sqrt(tau))) end as expected_move_2sd
    from expiries
),

-- the nearest expiry of a day or more; by instants, because a tau of exactly one day may be a last bit short of 1/365
nearest as (
    select *
    from moves
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
        moves.snapshot_id,
        moves.underlying,
        moves.captured_at,
        moves.session_date,
        moves.scope_venue,
        moves.is_only_venue,
        moves.expires_at,
        moves.expiry,
        moves.dte,
        moves.type,
        moves.is_anchor,
        moves.books,
        moves.spot,
        moves.forward,
        moves.tau,
        moves.total_oi,
        (moves.total_oi * moves.spot)::decimal(18, 2) as notional_oi_usd,
        moves.net_gex_usd_1pct,
        moves.atm_strike,
        significant(moves.straddle) as straddle,
        moves.straddle_source,
        moves.straddle_reason,
        moves.straddle_1sd,
        moves.straddle_2sd,
        significant(moves.atm_iv) as atm_iv,
        moves.atm_iv_reason,
        significant(moves.put_25d_iv) as put_25d_iv,
        moves.put_25d_reason,
        significant(moves.call_25d_iv) as call_25d_iv,
        moves.call_25d_reason,
        significant(moves.put_25d_iv - moves.call_25d_iv) as skew_25d,
        significant(moves.call_25d_iv - moves.put_25d_iv) as risk_reversal_25d,
        significant(0.5 * (moves.put_25d_iv + moves.call_25d_iv) - moves.atm_iv) as butterfly_25d,
        moves.expected_move_1sd,
        moves.expected_move_2sd,
        one_day.expiry_used,
        one_day.sessions_used,
        significant(one_day.scale * one_day.expected_move_1sd) as expected_move_1d_1sd,
        significant(2 * one_day.scale * one_day.expected_move_1sd) as expected_move_1d_2sd,
        significant(one_day.scale * one_day.straddle_1sd) as straddle_1d_1sd,
        case when one_day.expiry_used is null then 'no_expiry' end as expected_move_1d_reason,
        moves.density_reason,
        moves.density_quotes,
        moves.density_inside_share,
        moves.density_quoted_mass,
        moves.density_left_tail,
        moves.density_right_tail,
        moves.density_mean,
        moves.density_log_sd,
        moves.density_log_skewness,
        moves.density_log_excess_kurtosis
    from moves
    left join one_day on moves.snapshot_id = one_day.snapshot_id and moves.scope_venue = one_day.scope_venue
)

select * from final
order by snapshot_id, scope_venue, expires_at
