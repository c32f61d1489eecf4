-- marts.gex_levels: key levels of the net-gamma profile, over all live expiries and over 0DTE.
-- One row per snapshot_id, scope_venue, scope_expiry (all, 0dte).   Unit: USD; shares of the profile's largest |net|.   definitions §6
-- Ties go to the strike nearest spot, then to the lower one. A strike equal to spot is on neither side.
-- Without a 0DTE expiry its row is there and its levels are null. Gross sums (abs_…) are those of the strikes.

with profile as (
    select * from core.gex_profile
),

scopes as (
    select *, unnest(['all', '0dte']) as scope_expiry from core.scopes
),

walls as (
    select * from core.walls where scope_expiry in ('all', '0dte')
),

strikes as (
    select
        profile.*,
        scopes.spot,
        abs(profile.strike - scopes.spot) as from_spot
    from profile
    inner join scopes
        on profile.snapshot_id = scopes.snapshot_id
        and profile.scope_venue = scopes.scope_venue
        and profile.scope_expiry = scopes.scope_expiry
),

extremes as (
    select
        snapshot_id,
        scope_venue,
        scope_expiry,
        sum(net_gex_usd_1pct) as net_gex_usd_1pct,
        sum(abs_gex_usd_1pct) as abs_gex_usd_1pct,
        sum(net_dex_usd) as net_dex_usd,
        sum(abs_dex_usd) as abs_dex_usd,
        sum(net_vex_usd_1vol) as net_vex_usd_1vol,
        sum(abs_vex_usd_1vol) as abs_vex_usd_1vol,
        sum(net_chex_usd_day) as net_chex_usd_day,
        sum(abs_chex_usd_day) as abs_chex_usd_day,
        100 * exact_sum(oi_without_iv) / nullif(exact_sum(net_of(call_oi, put_oi)), 0) as oi_without_iv_pct,
        first(strike order by net_gex_usd_1pct desc, from_spot, strike) filter (net_gex_usd_1pct > 0) as max_positive_gamma,
        first(strike order by net_gex_usd_1pct, from_spot, strike) filter (net_gex_usd_1pct < 0) as max_negative_gamma,
        first(strike order by net_of(call_oi, put_oi) desc, from_spot, strike) filter (net_of(call_oi, put_oi) > 0) as highest_oi_strike,
        first(strike order by abs(net_gex_usd_1pct) desc, from_spot, strike) filter (net_gex_usd_1pct <> 0) as magnet
    from strikes
    group by snapshot_id, scope_venue, scope_expiry
),

zero_dte as (
    select snapshot_id, scope_venue, magnet as zero_dte_magnet from extremes where scope_expiry = '0dte'
),

hvls as (
    select
        snapshot_id,
        scope_venue,
        scope_expiry,
        level as hvl,
        lower_level as hvl_lower_strike,
        upper_level as hvl_upper_strike
    from core.gamma_roots
    where method = 'cumulative_by_strike' and direction = 'rising' and place_in_direction = 1
),

flips as (
    select * from core.gamma_flip
),

final as (
    select
        scopes.snapshot_id,
        scopes.underlying,
        scopes.captured_at,
        scopes.session_date,
        scopes.scope_venue,
        scopes.is_only_venue,
        scopes.scope_expiry,
        scopes.spot,
        extremes.net_gex_usd_1pct,
        extremes.abs_gex_usd_1pct,
        net_to_gross_of(extremes.net_gex_usd_1pct, extremes.abs_gex_usd_1pct) as net_to_gross,
        extremes.net_dex_usd,
        extremes.abs_dex_usd,
        net_to_gross_of(extremes.net_dex_usd, extremes.abs_dex_usd) as dex_net_to_gross,
        extremes.net_vex_usd_1vol,
        extremes.abs_vex_usd_1vol,
        net_to_gross_of(extremes.net_vex_usd_1vol, extremes.abs_vex_usd_1vol) as vex_net_to_gross,
        extremes.net_chex_usd_day,
        extremes.abs_chex_usd_day,
        net_to_gross_of(extremes.net_chex_usd_day, extremes.abs_chex_usd_day) as chex_net_to_gross,
        extremes.oi_without_iv_pct,
        hvls.hvl,
        hvls.hvl_lower_strike,
        hvls.hvl_upper_strike,
        flips.* exclude (snapshot_id, scope_venue, scope_expiry),
        walls.* exclude (snapshot_id, scope_venue, scope_expiry, expires_at),
        extremes.max_positive_gamma,
        extremes.max_negative_gamma,
        extremes.highest_oi_strike,
        zero_dte.zero_dte_magnet
    from scopes
    left join extremes
        on scopes.snapshot_id = extremes.snapshot_id
        and scopes.scope_venue = extremes.scope_venue
        and scopes.scope_expiry = extremes.scope_expiry
    left join walls
        on scopes.snapshot_id = walls.snapshot_id
        and scopes.scope_venue = walls.scope_venue
        and scopes.scope_expiry = walls.scope_expiry
    left join hvls
        on scopes.snapshot_id = hvls.snapshot_id
        and scopes.scope_venue = hvls.scope_venue
        and scopes.scope_expiry = hvls.scope_expiry
    inner join flips
        on scopes.snapshot_id = flips.snapshot_id
        and scopes.scope_venue = flips.scope_venue
        and scopes.scope_expiry = flips.scope_expiry
    left join zero_dte on scopes.snapshot_id = zero_dte.snapshot_id and scopes.scope_venue = zero_dte.scope_venue
)

select * from final
order by snapshot_id, scope_venue, scope_expiry
