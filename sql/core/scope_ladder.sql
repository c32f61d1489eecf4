-- core.scope_ladder: the spot ladder of a scope: over all expiries, over those of 0DTE, without the next expiry, without the next anchor,
-- and of each expiry alone.
-- One row per snapshot_id, scope_venue, scope_expiry (all, 0dte, ex_next, ex_anchor, name_of_expiry), spot_factor.
-- Unit: USD per 1 % move; curve_id, a number per snapshot_id, scope_venue, scope_expiry, is for other relations.   definitions §6, §8
-- Venues are added at the same factor of their own spots. A scope_expiry without expiries has no rows; nor has ex_anchor where no
-- anchor is listed.
-- transient: marts.gamma_profile publishes it

with members as (
    select
        snapshot_id,
        scope_venue,
        unnest(string_split(venues, ',')) as venue
    from core.scopes
),

ladder as (
    select * from core.gamma_ladder
),

calendar as (
    select * from core.calendar
),

scopes as (
    select * from core.scopes
),

series as (
    select * from core.series where kind = 'expiry'
),

expiries as (
    select
        series.snapshot_id,
        series.scope_venue,
        series.expires_at,
        series.is_zero_dte,
        min(series.expires_at) over scope as next_expiry,
        min(case when calendar.is_anchor then series.expires_at end) over scope as next_anchor
    from series
    inner join scopes on series.snapshot_id = scopes.snapshot_id and series.scope_venue = scopes.scope_venue
    left join calendar on scopes.market = calendar.market and series.expires_at = calendar.expires_at
    window scope as (partition by series.snapshot_id, series.scope_venue)
),

scoped as (
    select snapshot_id, scope_venue, expires_at, 'all' as scope_expiry from expiries
    union all
    select snapshot_id, scope_venue, expires_at, '0dte' as scope_expiry from expiries where is_zero_dte
    union all
    select snapshot_id, scope_venue, expires_at, 'ex_next' as scope_expiry from expiries where expires_at <> next_expiry
    union all
    select snapshot_id, scope_venue, expires_at, 'ex_anchor' as scope_expiry from expiries where expires_at <> next_anchor
    union all
    select snapshot_id, scope_venue, expires_at, name_of_expiry(expires_at) as scope_expiry from expiries
),

-- one narrow number per curve: three names on each of its 161 levels would cost more than the sums
numbered as (
    select *, dense_rank() over (order by snapshot_id, scope_venue, scope_expiry) as curve_id from scoped
),

curves as (
    select distinct curve_id, snapshot_id, scope_venue, scope_expiry from numbered
),

sides as (
    select
        numbered.curve_id,
        ladder.spot_factor,
        exact_usd(sum(ladder.call_gex_usd_1pct)) as call_gex_usd_1pct,
        exact_usd(sum(ladder.put_gex_usd_1pct)) as put_gex_usd_1pct
    from ladder
    inner join members on ladder.snapshot_id = members.snapshot_id and ladder.venue = members.venue
    inner join numbered
        on members.snapshot_id = numbered.snapshot_id
        and members.scope_venue = numbered.scope_venue
        and ladder.expires_at = numbered.expires_at
    group by numbered.curve_id, ladder.spot_factor
),

final as (
    select
        curves.snapshot_id,
        curves.scope_venue,
        curves.scope_expiry,
        sides.*,
        net_of(sides.call_gex_usd_1pct, sides.put_gex_usd_1pct) as net_gex_usd_1pct,
        gross_of(sides.call_gex_usd_1pct, sides.put_gex_usd_1pct) as abs_gex_usd_1pct
    from sides
    inner join curves on sides.curve_id = curves.curve_id
)

select * from final
