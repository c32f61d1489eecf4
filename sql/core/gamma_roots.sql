-- core.gamma_roots: where net gamma exposure changes sign within 20 % of spot, by two methods: spot_ladder, the re-priced total over spot
-- levels; cumulative_by_strike, the running sum of the stored exposures over ascending strikes.
-- One row per snapshot_id, scope_venue, scope_expiry (all, 0dte; spot_ladder also name_of_expiry), method, level.
-- Unit: USD.   definitions §6 (gamma_flip, hvl)
-- Linear between the two neighbours (lower_level, upper_level) of opposite sign. Where the sum is exactly zero in between, the root is the
-- middle of that stretch and its ends are the neighbours; a sum that touches zero and turns back changes no sign and is no root.
-- A curve goes by a number until it is a root: of the ladder its own, of the running sum a negative one.
-- transient: marts.gamma_flip_zones publishes it

with ladder as (
    select * from core.scope_ladder where scope_expiry not in ('ex_next', 'ex_anchor')
),

profile as (
    select * from core.gex_profile
),

scopes as (
    select * from core.scopes
),

curves as (
    select
        ladder.curve_id,
        ladder.snapshot_id,
        ladder.scope_venue,
        ladder.scope_expiry,
        'spot_ladder' as method,
        scopes.spot * ladder.spot_factor as level,
        ladder.net_gex_usd_1pct as total
    from ladder
    inner join scopes on ladder.snapshot_id = scopes.snapshot_id and ladder.scope_venue = scopes.scope_venue
    union all
    select
        -dense_rank() over (order by snapshot_id, scope_venue, scope_expiry) as curve_id,
        snapshot_id,
        scope_venue,
        scope_expiry,
        'cumulative_by_strike' as method,
        strike as level,
        sum(net_gex_usd_1pct) over (
            partition by snapshot_id, scope_venue, scope_expiry order by strike rows unbounded preceding
        ) as total
    from profile
),

signed as (
    select *, sign(total) as total_sign from curves where total is not null
),

started as (
    select
        signed.*,
        coalesce(total_sign <> lag(total_sign) over up, true) as is_start,
        coalesce(total_sign <> lead(total_sign) over up, true) as is_end
    from signed
    window up as (partition by curve_id order by level)
),

numbered as (
    select
        started.*,
        count(*) filter (is_start) over (partition by curve_id order by level rows unbounded preceding) as stretch
    from started
    where is_start or is_end
),

-- levels in a row whose totals have one sign, told by the first and the last
stretches as (
    select
        curve_id,
        stretch,
        any_value(snapshot_id) as snapshot_id,
        any_value(scope_venue) as scope_venue,
        any_value(scope_expiry) as scope_expiry,
        any_value(method) as method,
        any_value(total_sign) as total_sign,
        min(level) as first_level,
        max(level) as last_level,
        arg_min(total, level)::double as first_total,
        arg_max(total, level)::double as last_total
    from numbered
    group by curve_id, stretch
),

neighbours as (
    select
        stretches.*,
        lag(total_sign) over up as sign_before,
        lead(total_sign) over up as sign_after,
        lead(first_level) over up as next_level,
        lead(first_total) over up as next_total
    from stretches
    window up as (partition by curve_id order by stretch)
),

roots as (
    select
        neighbours.*,
        case when total_sign = 0 then first_level else last_level end as lower_level,
        case when total_sign = 0 then last_level else next_level end as upper_level,
        case
            when total_sign = 0 then (first_level + last_level) / 2
            else last_level - last_total / (next_total - last_total) * (next_level - last_level)
        end as level
    from neighbours
    where total_sign * sign_after = -1 or (total_sign = 0 and sign_before * sign_after = -1)
),

final as (
    select
        roots.snapshot_id,
        roots.scope_venue,
        roots.scope_expiry,
        roots.method,
        roots.level,
        roots.lower_level,
        roots.upper_level,
        case when roots.sign_after > 0 then 'rising' else 'falling' end as direction,
        abs(roots.level - scopes.spot) as from_spot,
        row_number() over (
            partition by roots.curve_id, roots.sign_after
            order by abs(roots.level - scopes.spot), roots.level
        ) as place_in_direction,
        row_number() over (
            partition by roots.curve_id
            order by abs(roots.level - scopes.spot), roots.level
        ) as place
    from roots
    inner join scopes on roots.snapshot_id = scopes.snapshot_id and roots.scope_venue = scopes.scope_venue
    where roots.level between 0.80 * scopes.spot and 1.20 * scopes.spot
)

select * from final
