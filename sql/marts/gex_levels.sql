-- marts.gex_levels: key levels of the net-gamma profile, over all live expiries and over 0DTE.
-- One row per snapshot_id, scope_venue, scope_expiry (all, 0dte).   Unit: USD; shares of the profile's largest |net|.   definitions §6
-- Ties go to the strike nearest spot, then to the lower one. A strike equal to spot is on neither side.
-- Without a 0DTE expiry its row is there and its levels are null.

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
        abs(profile.strike - scopes.spot) as from_spot,
        sum(profile.net_gex_usd_1pct) over up::double as cumulative
    from profile
    inner join scopes
        on profile.snapshot_id = scopes.snapshot_id
        and profile.scope_venue = scopes.scope_venue
        and profile.scope_expiry = scopes.scope_expiry
    window up as (
        partition by profile.snapshot_id, profile.scope_venue, profile.scope_expiry
        order by profile.strike rows unbounded preceding
    )
),

extremes as (
    select
        snapshot_id,
        scope_venue,
        scope_expiry,
        sum(net_gex_usd_1pct) as net_gex_usd_1pct,
        sum(abs_gex_usd_1pct) as abs_gex_usd_1pct,
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

steps as (
    select
        snapshot_id,
        scope_venue,
        scope_expiry,
        spot,
        strike as hvl_lower_strike,
        cumulative as below,
        lead(strike) over up as hvl_upper_strike,
        lead(cumulative) over up as above
    from strikes
    window up as (partition by snapshot_id, scope_venue, scope_expiry order by strike)
),

crossings as (
    select *, hvl_lower_strike - below / (above - below) * (hvl_upper_strike - hvl_lower_strike) as hvl
    from steps
    where below < 0 and above >= 0
),

hvls as (
    select *
    from crossings
    where hvl between 0.80 * spot and 1.20 * spot
    qualify row_number() over (partition by snapshot_id, scope_venue, scope_expiry order by abs(hvl - spot), hvl) = 1
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
        extremes.net_gex_usd_1pct::double / nullif(extremes.abs_gex_usd_1pct, 0)::double as net_to_gross,
        extremes.oi_without_iv_pct,
        hvls.hvl,
        hvls.hvl_lower_strike,
        hvls.hvl_upper_strike,
        null::double as gamma_flip,
        'not_computed' as gamma_flip_status,
        'unknown' as regime,
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
    left join zero_dte on scopes.snapshot_id = zero_dte.snapshot_id and scopes.scope_venue = zero_dte.scope_venue
)

select * from final
order by snapshot_id, scope_venue, scope_expiry
