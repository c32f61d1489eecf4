-- severity: required
-- scope: structure
-- needs: snapshot
-- why: a mart holds a snapshot that core.snapshots does not know, or lacks one that it does.

with snapshots as (
    select snapshot_id from core.snapshots
),

marts as (
    select distinct snapshot_id, 'marts.gex_levels' as mart from marts.gex_levels
    union all
    select distinct snapshot_id, 'marts.max_pain' as mart from marts.max_pain
    union all
    select distinct snapshot_id, 'marts.max_pain_pooled' as mart from marts.max_pain_pooled
    union all
    select distinct snapshot_id, 'core.snapshot_venues' as mart from core.snapshot_venues where status = 'ok'
),

names as (
    select unnest(['core.snapshot_venues', 'marts.gex_levels', 'marts.max_pain', 'marts.max_pain_pooled']) as mart
),

orphans as (
    select marts.snapshot_id, marts.mart, 'unknown snapshot' as problem
    from marts
    anti join snapshots on marts.snapshot_id = snapshots.snapshot_id
),

missing as (
    select snapshots.snapshot_id, names.mart, 'no rows' as problem
    from snapshots
    cross join names
    anti join marts on snapshots.snapshot_id = marts.snapshot_id and names.mart = marts.mart
)

select * from orphans
union all
select * from missing
order by snapshot_id, mart
