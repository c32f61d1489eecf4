-- core.gamma_flip: zero gamma on the spot ladder and what it is worth: the root nearest spot, its status, and the regime.
-- One row per snapshot_id, scope_venue, scope_expiry (all, 0dte, and name_of_expiry of each expiry alone).
-- Unit: USD; gamma_flip_distance_pct in percent of spot.   definitions §6
-- Not `available`: no flip, and the regime is unknown. Of several reasons the first in the order of the definitions is told.
-- transient: marts.gex_levels and marts.pin_score publish it

with series as (
    select * from core.series where kind = 'expiry'
),

scopes as (
    select *, unnest(['all', '0dte']) as scope_expiry from core.scopes
    union all
    select scopes.*, name_of_expiry(series.expires_at) as scope_expiry
    from core.scopes as scopes
    inner join series on scopes.snapshot_id = series.snapshot_id and scopes.scope_venue = series.scope_venue
),

spots as (
    select * from core.scopes
),

smile as (
    select * from core.scope_smile where atm_iv is not null
),

ladder as (
    select * from core.scope_ladder where spot_factor = 1
),

roots as (
    select * from core.gamma_roots where method = 'spot_ladder'
),

parameters as (
    select * from core.parameters
),

first_week as (
    select
        smile.snapshot_id,
        smile.scope_venue,
        arg_min(smile.atm_iv, smile.expires_at) as atm_iv
    from smile
    inner join spots
        on smile.snapshot_id = spots.snapshot_id
        and smile.scope_venue = spots.scope_venue
        and smile.expires_at >= spots.captured_at + interval 7 days
    group by smile.snapshot_id, smile.scope_venue
),

-- how far from spot strikes count as near: one deviation of 30 days, and never less than the setting
windows as (
    select
        spots.snapshot_id,
        spots.scope_venue,
        spots.spot,
        spots.spot * greatest(parameters.flip_min_window_pct / 100, first_week.atm_iv * sqrt(30.0::double / 365)) as reach
    from spots
    cross join parameters
    left join first_week on spots.snapshot_id = first_week.snapshot_id and spots.scope_venue = first_week.scope_venue
),

strikes as (
    select snapshot_id, scope_venue, scope_expiry, null::timestamp as expires_at, strike, call_oi, put_oi, oi_without_iv, net_gex_usd_1pct
    from core.gex_profile
    union all
    select
        snapshot_id, scope_venue, null as scope_expiry, expires_at, strike, call_oi, put_oi, oi_without_iv, net_gex_usd_1pct
    from marts.gex_heatmap
),

-- near, and with open interest that has a volatility, as that which has exposures does; six decimals are what open interest is exact to
covered as (
    select
        strikes.*,
        windows.spot,
        abs(strikes.strike - windows.spot) <= windows.reach
        and round(net_of(strikes.call_oi, strikes.put_oi) - strikes.oi_without_iv, 6) > 0 as is_covered
    from strikes
    inner join windows on strikes.snapshot_id = windows.snapshot_id and strikes.scope_venue = windows.scope_venue
),

stored as (
    select
        snapshot_id,
        scope_venue,
        coalesce(scope_expiry, name_of_expiry(expires_at)) as scope_expiry,
        count(*) filter (is_covered and strike < spot) as strikes_below,
        count(*) filter (is_covered and strike > spot) as strikes_above,
        sum(net_gex_usd_1pct) as net_gex_usd_1pct
    from covered
    group by covered.snapshot_id, covered.scope_venue, covered.scope_expiry, covered.expires_at
),

gaps as (
    select
        roots.*,
        least(level - lag(level) over up, lead(level) over up - level) as to_next_root
    from roots
    window up as (partition by snapshot_id, scope_venue, scope_expiry order by level)
),

nearest as (
    select * from gaps where place = 1
),

judged as (
    select
        scopes.snapshot_id,
        scopes.scope_venue,
        scopes.scope_expiry,
        scopes.spot,
        scopes.implied_to_spot,
        nearest.level,
        case
            when scopes.is_strike_filtered then 'not_available_filtered'
            when coalesce(least(stored.strikes_below, stored.strikes_above), 0) < parameters.flip_min_strikes
                then 'insufficient_local_coverage'
            when nearest.level is null then 'no_boundary'
            when nearest.direction = 'falling' then 'uncertain_root_path'
            when nearest.to_next_root <= scopes.spot * parameters.flip_sensitive_pct / 100 then 'sensitive_root'
            when parameters.gamma_source = 'venue' and coalesce(sign(ladder.net_gex_usd_1pct) <> sign(stored.net_gex_usd_1pct), true)
                then 'stored_sign_mismatch'
            else 'available'
        end as gamma_flip_status
    from scopes
    cross join parameters
    left join nearest
        on scopes.snapshot_id = nearest.snapshot_id
        and scopes.scope_venue = nearest.scope_venue
        and scopes.scope_expiry = nearest.scope_expiry
    left join ladder
        on scopes.snapshot_id = ladder.snapshot_id
        and scopes.scope_venue = ladder.scope_venue
        and scopes.scope_expiry = ladder.scope_expiry
    left join stored
        on scopes.snapshot_id = stored.snapshot_id
        and scopes.scope_venue = stored.scope_venue
        and scopes.scope_expiry = stored.scope_expiry
),

flips as (
    select
        judged.*,
        case when gamma_flip_status = 'available' then level end as gamma_flip
    from judged
),

final as (
    select
        snapshot_id,
        scope_venue,
        scope_expiry,
        gamma_flip,
        gamma_flip_status,
        gamma_flip * implied_to_spot as gamma_flip_implied,
        100 * abs(gamma_flip - spot) / spot as gamma_flip_distance_pct,
        case when gamma_flip is null then 'unknown' when spot >= gamma_flip then 'positive_gamma' else 'negative_gamma' end as regime
    from flips
)

select * from final
