-- marts.oi_change: what open interest gained or lost since it was last taken.
-- One row per snapshot_id, scope_venue, expires_at, strike, option_type.   Unit: units of the underlying, contracts.   definitions §11
-- Compared with the newest snapshot of the same venues whose open interest was taken earlier: in US markets that of an earlier session,
-- in crypto any earlier snapshot. No change is 0; a new listing, or an earlier snapshot that is missing, is null with its reason.
-- A view: it follows the snapshots that there are, in whatever order they were loaded.

with scopes as (
    select * from core.scopes
),

venues as (
    select * from core.snapshot_venues
),

heatmap as (
    select * from marts.gex_heatmap
),

dated as (
    select
        scopes.snapshot_id,
        scopes.underlying,
        scopes.captured_at,
        scopes.scope_venue,
        scopes.venues,
        max(venues.oi_as_of) as oi_as_of,
        -- in crypto open interest is of the moment
        case when any_value(scopes.market) = 'us' then max(venues.oi_as_of)::timestamp else scopes.captured_at end as oi_instant
    from scopes
    inner join venues
        on scopes.snapshot_id = venues.snapshot_id
        and list_contains(string_split(scopes.venues, ','), venues.venue)
    group by scopes.snapshot_id, scopes.underlying, scopes.captured_at, scopes.scope_venue, scopes.venues
),

-- the newest snapshot of each instant at which open interest was taken
instants as (
    select
        underlying,
        scope_venue,
        venues,
        oi_instant,
        max_by(snapshot_id, captured_at) as snapshot_id,
        max(captured_at) as captured_at,
        max(oi_as_of) as oi_as_of
    from dated
    group by underlying, scope_venue, venues, oi_instant
),

in_order as (
    select
        *,
        lag(snapshot_id) over up as previous_snapshot_id,
        lag(captured_at) over up as previous_captured_at,
        lag(oi_as_of) over up as previous_oi_as_of
    from instants
    window up as (partition by underlying, scope_venue, venues order by oi_instant)
),

compared as (
    select
        dated.snapshot_id,
        dated.scope_venue,
        dated.oi_as_of,
        in_order.previous_snapshot_id,
        in_order.previous_captured_at,
        in_order.previous_oi_as_of
    from dated
    inner join in_order
        on dated.underlying = in_order.underlying
        and dated.scope_venue = in_order.scope_venue
        and dated.venues = in_order.venues
        and dated.oi_instant = in_order.oi_instant
),

cells as (
    select
        heatmap.*,
        compared.oi_as_of,
        compared.previous_snapshot_id,
        compared.previous_captured_at,
        compared.previous_oi_as_of,
        earlier.strike is not null as is_listed_before,
        earlier.call_oi as previous_call_oi,
        earlier.put_oi as previous_put_oi,
        earlier.call_oi_contracts as previous_call_oi_contracts,
        earlier.put_oi_contracts as previous_put_oi_contracts
    from heatmap
    inner join compared on heatmap.snapshot_id = compared.snapshot_id and heatmap.scope_venue = compared.scope_venue
    left join heatmap as earlier
        on compared.previous_snapshot_id = earlier.snapshot_id
        and heatmap.scope_venue = earlier.scope_venue
        and heatmap.expires_at = earlier.expires_at
        and heatmap.strike = earlier.strike
),

sides as (
    select
        *,
        'C' as option_type,
        call_oi as oi_base,
        call_oi_contracts as oi_contracts,
        previous_call_oi as previous_oi_base,
        previous_call_oi_contracts as previous_oi_contracts
    from cells
    union all
    select
        *,
        'P' as option_type,
        put_oi as oi_base,
        put_oi_contracts as oi_contracts,
        previous_put_oi as previous_oi_base,
        previous_put_oi_contracts as previous_oi_contracts
    from cells
),

final as (
    select
        snapshot_id,
        underlying,
        captured_at,
        session_date,
        scope_venue,
        expires_at,
        expiry,
        dte,
        strike,
        option_type,
        oi_base,
        oi_contracts,
        (oi_base::decimal(18, 6) - previous_oi_base::decimal(18, 6))::double as oi_change,
        (oi_contracts::decimal(18, 6) - previous_oi_contracts::decimal(18, 6))::double as oi_change_contracts,
        case
            when previous_snapshot_id is null then 'no_earlier_snapshot'
            when oi_base is null then 'not_measured'
            when not is_listed_before or previous_oi_base is null then 'new_listing'
        end as oi_change_reason,
        oi_as_of,
        previous_oi_as_of,
        previous_captured_at,
        previous_snapshot_id
    from sides
)

select * from final
