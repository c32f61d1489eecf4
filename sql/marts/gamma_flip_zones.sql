-- marts.gamma_flip_zones: every level within 20 % of spot where net gamma exposure changes sign, by both methods.
-- One row per snapshot_id, scope_venue, scope_expiry (all, 0dte), method, level.
-- Unit: USD; distance_pct in percent of spot.   definitions §6
-- In marts.gex_levels the nearest spot_ladder root is the gamma flip, where its status allows, and the nearest rising one of
-- cumulative_by_strike is hvl.

with roots as (
    select * from core.gamma_roots
),

profile as (
    select * from core.gex_profile
),

scopes as (
    select * from core.scopes
),

around as (
    select
        roots.snapshot_id,
        roots.scope_venue,
        roots.scope_expiry,
        roots.method,
        roots.level,
        max(profile.strike) filter (profile.strike <= roots.level) as lower_strike,
        min(profile.strike) filter (profile.strike >= roots.level) as upper_strike
    from roots
    inner join profile
        on roots.snapshot_id = profile.snapshot_id
        and roots.scope_venue = profile.scope_venue
        and roots.scope_expiry = profile.scope_expiry
    group by all
),

final as (
    select
        roots.snapshot_id,
        scopes.underlying,
        scopes.captured_at,
        scopes.session_date,
        roots.scope_venue,
        scopes.is_only_venue,
        roots.scope_expiry,
        roots.method,
        roots.level,
        roots.direction,
        roots.lower_level,
        roots.upper_level,
        around.lower_strike,
        around.upper_strike,
        scopes.spot,
        100 * roots.from_spot / scopes.spot as distance_pct
    from roots
    inner join scopes on roots.snapshot_id = scopes.snapshot_id and roots.scope_venue = scopes.scope_venue
    inner join around
        on roots.snapshot_id = around.snapshot_id
        and roots.scope_venue = around.scope_venue
        and roots.scope_expiry = around.scope_expiry
        and roots.method = around.method
        and roots.level = around.level
)

select * from final
order by snapshot_id, scope_venue, scope_expiry, method, level
