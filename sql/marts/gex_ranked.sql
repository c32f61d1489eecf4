-- marts.gex_ranked: the ten strikes that carry most net gamma exposure, whatever its sign.
-- One row per snapshot_id, scope_venue, scope_expiry (all, 0dte), rank.   Unit: USD per 1 % move.   definitions §6 (ranked)
-- Ties go to the strike nearest spot, then to the lower one; a strike without a measured exposure has no rank.

with profile as (
    select * from core.gex_profile where net_gex_usd_1pct is not null
),

scopes as (
    select * from core.scopes
),

ranked as (
    select
        profile.*,
        scopes.spot,
        row_number() over (
            partition by profile.snapshot_id, profile.scope_venue, profile.scope_expiry
            order by abs(profile.net_gex_usd_1pct) desc, abs(profile.strike - scopes.spot), profile.strike
        ) as rank
    from profile
    inner join scopes on profile.snapshot_id = scopes.snapshot_id and profile.scope_venue = scopes.scope_venue
),

final as (
    select
        snapshot_id,
        underlying,
        captured_at,
        session_date,
        scope_venue,
        is_only_venue,
        scope_expiry,
        rank,
        strike,
        call_gex_usd_1pct,
        put_gex_usd_1pct,
        net_gex_usd_1pct,
        abs_gex_usd_1pct,
        net_to_gross,
        spot,
        100 * abs(strike - spot) / spot as distance_pct
    from ranked
    where rank <= 10
)

select * from final
order by snapshot_id, scope_venue, scope_expiry, rank
