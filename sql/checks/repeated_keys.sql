-- severity: required
-- scope: structure
-- needs: snapshot
-- why: a key stands twice: a load has doubled rows.

with keys as (
    select 'core.snapshots' as relation, snapshot_id as key from core.snapshots
    union all
    select 'core.snapshot_venues' as relation, snapshot_id || '/' || venue as key from core.snapshot_venues
    union all
    select 'core.series' as relation, series_id::varchar as key from core.series where scope_venue <> 'all'
    union all
    select 'core.calendar' as relation, market || '/' || expires_at::varchar as key from core.calendar
    union all
    select 'marts.max_pain' as relation, concat_ws('/', snapshot_id, scope_venue, expires_at) as key from marts.max_pain
    union all
    select 'marts.max_pain_pooled' as relation, concat_ws('/', snapshot_id, scope_venue) as key from marts.max_pain_pooled
    union all
    select 'marts.gex_levels' as relation, concat_ws('/', snapshot_id, scope_venue, scope_expiry) as key from marts.gex_levels
    union all
    select 'marts.gex_by_expiry' as relation, concat_ws('/', snapshot_id, scope_venue, expires_at) as key from marts.gex_by_expiry
    union all
    select 'marts.gex_ranked' as relation, concat_ws('/', snapshot_id, scope_venue, scope_expiry, rank) as key from marts.gex_ranked
    union all
    select 'marts.gamma_flip_zones' as relation, concat_ws('/', snapshot_id, scope_venue, scope_expiry, method, level) as key
    from marts.gamma_flip_zones
    union all
    select 'marts.opex_calendar' as relation, concat_ws('/', snapshot_id, expires_at) as key from marts.opex_calendar
    union all
    select 'marts.expiry_summary' as relation, concat_ws('/', snapshot_id, scope_venue, expires_at) as key from marts.expiry_summary
)

select relation, key, count(*) as times
from keys
group by relation, key
having count(*) > 1
order by relation, key
