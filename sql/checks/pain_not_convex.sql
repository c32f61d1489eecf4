-- severity: required
-- scope: snapshot-venue
-- needs: snapshot
-- why: the slope of a pain curve must change at each strike by the open interest of that strike; here it does not.

with pain as (
    select * from marts.pain_curve
),

heatmap as (
    select * from marts.gex_heatmap
),

slopes as (
    select
        pain.snapshot_id,
        pain.scope_venue,
        pain.expires_at,
        pain.strike,
        pain.total_pain_usd,
        coalesce(net_of(heatmap.call_oi, heatmap.put_oi), 0) as oi,
        (lead(pain.total_pain_usd) over curve - pain.total_pain_usd) / (lead(pain.strike) over curve - pain.strike) as slope_after,
        (pain.total_pain_usd - lag(pain.total_pain_usd) over curve) / (pain.strike - lag(pain.strike) over curve) as slope_before,
        max(pain.total_pain_usd) over (partition by pain.snapshot_id, pain.scope_venue, pain.expires_at) as highest
    from pain
    inner join heatmap
        on pain.snapshot_id = heatmap.snapshot_id
        and pain.scope_venue = heatmap.scope_venue
        and pain.expires_at = heatmap.expires_at
        and pain.strike = heatmap.strike
    window curve as (partition by pain.snapshot_id, pain.scope_venue, pain.expires_at order by pain.strike)
)

select
    slopes.*,
    slopes.scope_venue as venue
from slopes
where abs(slope_after - slope_before - oi) * strike > 1e-6 * greatest(highest, 1)
order by snapshot_id, scope_venue, expires_at, strike
