-- marts.opex_calendar: every live expiry with its type, what leaves with it, and the levels of its own profile; over all venues.
-- One row per snapshot_id, expires_at.   Unit: USD; open interest in units of the underlying; roll-off in percent.   definitions §6, §8
-- Of a snapshot's scopes the widest counts: all, or the only venue. The types are those of core.calendar, never a venue's label.

with scopes as (
    select *
    from core.scopes
    qualify row_number() over (partition by snapshot_id order by length(venues) desc) = 1
),

max_pain as (
    select * from marts.max_pain
),

walls as (
    select * from core.walls where scope_expiry = 'expiry'
),

types as (
    select * from core.calendar
),

exposures as (
    select
        snapshot_id,
        scope_venue,
        expires_at,
        sum(net_gex_usd_1pct) as net_gex_usd_1pct,
        sum(abs_gex_usd_1pct) as abs_gex_usd_1pct
    from marts.gex_heatmap
    group by snapshot_id, scope_venue, expires_at
),

expiries as (
    select
        max_pain.*,
        case when scopes.is_only_venue then 'all' else scopes.scope_venue end as shown_scope,
        exposures.net_gex_usd_1pct,
        exposures.abs_gex_usd_1pct,
        walls.call_resistance,
        walls.put_support,
        walls.call_wall,
        walls.put_wall,
        types.* exclude (market, expires_at, expiry)
    from scopes
    inner join max_pain on scopes.snapshot_id = max_pain.snapshot_id and scopes.scope_venue = max_pain.scope_venue
    inner join exposures
        on max_pain.snapshot_id = exposures.snapshot_id
        and max_pain.scope_venue = exposures.scope_venue
        and max_pain.expires_at = exposures.expires_at
    inner join walls
        on max_pain.snapshot_id = walls.snapshot_id
        and max_pain.scope_venue = walls.scope_venue
        and max_pain.expires_at = walls.expires_at
    left join types on scopes.market = types.market and max_pain.expires_at = types.expires_at
),

totals as (
    select
        snapshot_id,
        exact_sum(total_oi) as total_oi,
        sum(abs_gex_usd_1pct)::double as abs_gex_usd_1pct,
        min(expires_at) filter (is_anchor) as next_anchor
    from expiries
    group by snapshot_id
),

final as (
    select
        expiries.snapshot_id,
        expiries.underlying,
        expiries.captured_at,
        expiries.session_date,
        expiries.expires_at,
        expiries.shown_scope as scope_venue,
        expiries.expiry,
        expiries.dte,
        true as is_listed,
        totals.next_anchor,
        expiries.type,
        expiries.is_anchor,
        expiries.is_month_end,
        expiries.is_quarter_end,
        expiries.is_am_settled,
        expiries.is_triple_witching,
        expiries.is_holiday_shifted,
        expiries.is_vix_settlement,
        expiries.call_oi,
        expiries.put_oi,
        expiries.total_oi,
        expiries.call_oi_contracts,
        expiries.put_oi_contracts,
        100 * expiries.total_oi / nullif(totals.total_oi, 0) as oi_rolloff_pct,
        expiries.net_gex_usd_1pct,
        expiries.abs_gex_usd_1pct,
        100 * expiries.abs_gex_usd_1pct::double / nullif(totals.abs_gex_usd_1pct, 0) as gex_rolloff_pct,
        expiries.spot,
        expiries.max_pain_strike,
        expiries.call_resistance,
        expiries.put_support,
        expiries.call_wall,
        expiries.put_wall
    from expiries
    inner join totals on expiries.snapshot_id = totals.snapshot_id
)

select * from final
order by snapshot_id, expires_at
