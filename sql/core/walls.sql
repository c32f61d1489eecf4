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
        case when profiles.strike > scopes.spot then 'above' when profiles.strike < scopes.spot then 'below' end as side,
        profiles.net_gex_usd_1pct::double / nullif(max(abs(profiles.net_gex_usd_1pct)) over whole, 0)::double as share
    from profiles
    inner join scopes on profiles.snapshot_id = scopes.snapshot_id and profiles.scope_venue = scopes.scope_venue
    window whole as (partition by profiles.snapshot_id, profiles.scope_venue, profiles.scope_expiry, profiles.expires_at)
),

ranked as (
    select
        strikes.*,
        row_number() over (
            partition by strikes.snapshot_id, strikes.scope_venue, strikes.scope_expiry, strikes.expires_at, strikes.side
            order by strikes.net_gex_usd_1pct desc nulls last, strikes.from_spot, strikes.strike
        ) as place,
        strikes.net_gex_usd_1pct > 0 and strikes.share >= parameters.level_min_share as is_wall
    from strikes
    cross join parameters
),

final as (
    select
        snapshot_id,
        scope_venue,
        scope_expiry,
        expires_at,
        max(strike) filter (side = 'above' and place = 1 and is_wall) as call_resistance,
        max(strike) filter (side = 'above' and place = 2 and is_wall) as call_wall_2,
        max(strike) filter (side = 'above' and place = 3 and is_wall) as call_wall_3,
        max(strike) filter (side = 'below' and place = 1 and is_wall) as put_support,
        max(strike) filter (side = 'below' and place = 2 and is_wall) as put_wall_2,
        max(strike) filter (side = 'below' and place = 3 and is_wall) as put_wall_3,
        max(share) filter (side = 'above' and place = 1 and is_wall) as call_resistance_share,
        max(share) filter (side = 'above' and place = 2 and is_wall) as call_wall_2_share,
        max(share) filter (side = 'above' and place = 3 and is_wall) as call_wall_3_share,
        max(share) filter (side = 'below' and place = 1 and is_wall) as put_support_share,
        max(share) filter (side = 'below' and place = 2 and is_wall) as put_wall_2_share,
        max(share) filter (side = 'below' and place = 3 and is_wall) as put_wall_3_share,
        first(strike order by abs(call_gex_usd_1pct) desc, from_spot, strike) filter (call_gex_usd_1pct <> 0) as call_wall,
        first(strike order by abs(put_gex_usd_1pct) desc, from_spot, strike) filter (put_gex_usd_1pct <> 0) as put_wall
    from ranked
    group by snapshot_id, scope_venue, scope_expiry, expires_at
)

select * from final
