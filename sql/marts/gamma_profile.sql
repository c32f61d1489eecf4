-- marts.gamma_profile: gamma exposure if spot stood elsewhere: live contracts re-priced, the forward moved with spot, volatilities held.
-- One row per snapshot_id, scope_venue, scope_expiry (all, 0dte, ex_next, ex_anchor), spot_level.
-- Unit: USD per 1 % move.   definitions §6

with ladder as (
    select * from core.scope_ladder
),

scopes as (
    select * from core.scopes
),

final as (
    select
        ladder.snapshot_id,
        scopes.underlying,
        scopes.captured_at,
        scopes.session_date,
        ladder.scope_venue,
        scopes.is_only_venue,
        ladder.scope_expiry,
        scopes.spot * ladder.spot_factor as spot_level,
        ladder.spot_factor,
        ladder.call_gex_usd_1pct,
        ladder.put_gex_usd_1pct,
        ladder.net_gex_usd_1pct,
        ladder.abs_gex_usd_1pct,
        net_to_gross_of(ladder.net_gex_usd_1pct, ladder.abs_gex_usd_1pct) as net_to_gross
    from ladder
    inner join scopes on ladder.snapshot_id = scopes.snapshot_id and ladder.scope_venue = scopes.scope_venue
    where scopes.spot is not null and ladder.scope_expiry in ('all', '0dte', 'ex_next', 'ex_anchor')
)

select * from final
order by snapshot_id, scope_venue, scope_expiry, spot_level
