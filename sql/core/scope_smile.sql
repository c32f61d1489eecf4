-- core.scope_smile: forward, smile, straddle and expected moves of each expiry over the venues of a scope.
-- One row per snapshot_id, scope_venue, expires_at.   Unit: USD; volatilities as annualised fractions; tau in years.   definitions §2, §7
-- Over several venues or books volatilities, F/S, discount and straddle are means weighted by open interest over those that have one;
-- skew and moves follow from these means, the largest says why one is missing, and a density is one book's. tau counts from captured_at
-- (measured_at) for crypto over several venues, else from the quotes of the scope's venue.
-- transient: marts.expiry_summary publishes it

with scopes as (
    select *, unnest(string_split(venues, ',')) as venue from core.scopes
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

listings as (
    select
        smile.* exclude (spot),
        scopes.scope_venue,
        scopes.spot,
        case
            when scopes.market = 'crypto' and contains(scopes.venues, ',') then scopes.captured_at
            else min(smile.quoted_at) over (partition by scopes.snapshot_id, scopes.scope_venue)
        end as measured_at
    from scopes
    inner join smile on scopes.snapshot_id = smile.snapshot_id and scopes.venue = smile.venue
),

means as (
    select
        snapshot_id,
        scope_venue,
        expires_at,
        any_value(spot) as spot,
        any_value(measured_at) as measured_at,
        date_diff('microsecond', any_value(measured_at), expires_at) / 31536000000000 as tau,
        count(*) as books,
        mean_by_weight(forward_to_spot, oi_base, place) as forward_to_spot,
        mean_by_weight(discount, oi_base, place) as discount,
        mean_by_weight(straddle, oi_base, place) as straddle,
        mean_by_weight(atm_iv, oi_base, place) as atm_iv,
        mean_by_weight(put_25d_iv, oi_base, place) as put_25d_iv,
        mean_by_weight(call_25d_iv, oi_base, place) as call_25d_iv,
        case when min(atm_strike) = max(atm_strike) and count(atm_strike) = count(*) then min(atm_strike) end as atm_strike,
        string_agg(distinct forward_source, '+' order by forward_source) as forward_source,
        string_agg(distinct straddle_source, '+' order by straddle_source) as straddle_source,
        case when count(straddle) = 0 then first(straddle_reason order by coalesce(oi_base, 0) desc, place) end as straddle_reason,
        case when count(atm_iv) = 0 then first(atm_iv_reason order by coalesce(oi_base, 0) desc, place) end as atm_iv_reason,
        case when count(put_25d_iv) = 0 then first(put_25d_reason order by coalesce(oi_base, 0) desc, place) end as put_25d_reason,
        case when count(call_25d_iv) = 0 then first(call_25d_reason order by coalesce(oi_base, 0) desc, place) end as call_25d_reason,
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

final as (
    select
        snapshot_id,
        scope_venue,
        expires_at,
        books,
        measured_at,
        tau,
        significant(spot * forward_to_spot) as forward,
        forward_source,
        atm_strike,
        significant(means.straddle) as straddle,
        straddle_source,
        straddle_reason,
        significant(means.straddle / discount * sqrt(pi() / 2) / forward_to_spot) as straddle_1sd,
        significant(2 * (means.straddle / discount * sqrt(pi() / 2) / forward_to_spot)) as straddle_2sd,
        significant(means.atm_iv) as atm_iv,
        atm_iv_reason,
        significant(means.put_25d_iv) as put_25d_iv,
        put_25d_reason,
        significant(means.call_25d_iv) as call_25d_iv,
        call_25d_reason,
        significant(means.put_25d_iv - means.call_25d_iv) as skew_25d,
        significant(means.call_25d_iv - means.put_25d_iv) as risk_reversal_25d,
        significant(0.5 * (means.put_25d_iv + means.call_25d_iv) - means.atm_iv) as butterfly_25d,
        case when tau > 0 then significant(spot * means.atm_iv * sqrt(tau)) end as expected_move_1sd,
        case when tau > 0 then significant(2 * (spot * means.atm_iv * sqrt(tau))) end as expected_move_2sd,
        density_reason,
        density_quotes,
        density_inside_share,
        density_quoted_mass,
        density_left_tail,
        density_right_tail,
        density_mean,
        density_log_sd,
        density_log_skewness,
        density_log_excess_kurtosis
    from means
)

select * from final
