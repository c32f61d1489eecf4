-- core.walls: strikes that carry the most gamma on either side of spot, of a profile over expiries and of each expiry alone.
-- One row per snapshot_id, scope_venue, scope_expiry (all, 0dte, or expiry with its expires_at) that has strikes.
-- Unit: USD; shares of the profile's largest |net|.   definitions §6
-- Ties go to the strike nearest spot, then to the lower one. A strike equal to spot is on neither side.
-- transient: marts.gex_levels and marts.opex_calendar publish it

with by_strike as (
    select * from core.gex_profile
),

heatmap as (
    select * from marts.gex_heatmap
),

scopes as (
    select * from core.scopes
),

parameters as (
    select * from core.parameters
),

profiles as (
    select
        snapshot_id, scope_venue, scope_expiry, null::timestamp as expires_at, strike, call_gex_usd_1pct, put_gex_usd_1pct, net_gex_usd_1pct
    from by_strike
    union all
    select
        snapshot_id, scope_venue, 'expiry' as scope_expiry, expires_at, strike, call_gex_usd_1pct, put_gex_usd_1pct, net_gex_usd_1pct
    from heatmap
),

strikes as (
    select
        profiles.*,
        abs(profiles.strike - scopes.spot) as from_spot,
        case when profiles.strike > scopes.spot then 'above' when profiles.strike < scopes.spot then 'below' end as side
    from profiles
    inner join scopes on profiles.snapshot_id = scopes.snapshot_id and profiles.scope_venue = scopes.scope_venue
),

wholes as (
    select
        snapshot_id,
        scope_venue,
        scope_expiry,
        expires_at,
        max(abs(net_gex_usd_1pct)) as largest_net,
        first(strike order by abs(call_gex_usd_1pct) desc, from_spot, strike) filter (call_gex_usd_1pct <> 0) as call_wall,
        first(strike order by abs(put_gex_usd_1pct) desc, from_spot, strike) filter (put_gex_usd_1pct <> 0) as put_wall
    from strikes
    group by snapshot_id, scope_venue, scope_expiry, expires_at
),

-- a strike below the least share stands behind all others of its side, so places are given to few
ranked as (
    select
        strikes.snapshot_id,
        strikes.scope_venue,
        strikes.scope_expiry,
        strikes.expires_at,
        strikes.strike,
        strikes.side,
        strikes.net_gex_usd_1pct::double / wholes.largest_net::double as share,
        row_number() over (
            partition by strikes.snapshot_id, strikes.scope_venue, strikes.scope_expiry, strikes.expires_at, strikes.side
            order by strikes.net_gex_usd_1pct desc, strikes.from_spot, strikes.strike
        ) as place
    from strikes
    inner join wholes
        on strikes.snapshot_id = wholes.snapshot_id
        and strikes.scope_venue = wholes.scope_venue
        and strikes.scope_expiry = wholes.scope_expiry
        and strikes.expires_at is not distinct from wholes.expires_at
    cross join parameters
    where
        strikes.net_gex_usd_1pct > 0
        and strikes.net_gex_usd_1pct::double / wholes.largest_net::double >= parameters.level_min_share
),

levels as (
    select
        snapshot_id,
        scope_venue,
        scope_expiry,
        expires_at,
        max(strike) filter (side = 'above' and place = 1) as call_resistance,
        max(strike) filter (side = 'above' and place = 2) as call_wall_2,
        max(strike) filter (side = 'above' and place = 3) as call_wall_3,
        max(strike) filter (side = 'below' and place = 1) as put_support,
        max(strike) filter (side = 'below' and place = 2) as put_wall_2,
        max(strike) filter (side = 'below' and place = 3) as put_wall_3,
        max(share) filter (side = 'above' and place = 1) as call_resistance_share,
        max(share) filter (side = 'above' and place = 2) as call_wall_2_share,
        max(share) filter (side = 'above' and place = 3) as call_wall_3_share,
        max(share) filter (side = 'below' and place = 1) as put_support_share,
        max(share) filter (side = 'below' and place = 2) as put_wall_2_share,
        max(share) filter (side = 'below' and place = 3) as put_wall_3_share
    from ranked
    where place <= 3
    group by snapshot_id, scope_venue, scope_expiry, expires_at
),

final as (
    select
        wholes.snapshot_id,
        wholes.scope_venue,
        wholes.scope_expiry,
        wholes.expires_at,
        levels.* exclude (snapshot_id, scope_venue, scope_expiry, expires_at),
        wholes.call_wall,
        wholes.put_wall
    from wholes
    left join levels
        on wholes.snapshot_id = levels.snapshot_id
        and wholes.scope_venue = levels.scope_venue
        and wholes.scope_expiry = levels.scope_expiry
        and wholes.expires_at is not distinct from levels.expires_at
)

select * from final
