-- severity: advisory
-- scope: snapshot-venue
-- needs: snapshot
-- why: the venue's spot is far from the median of the venues of the snapshot.

with venues as (
    select * from core.snapshot_venues where status = 'ok'
),

snapshots as (
    select * from core.snapshots
),

parameters as (
    select * from core.parameters
)

select
    venues.snapshot_id,
    venues.venue,
    venues.spot,
    snapshots.spot as median_spot,
    100 * abs(venues.spot / snapshots.spot - 1) as apart_pct
from venues
inner join snapshots on venues.snapshot_id = snapshots.snapshot_id
cross join parameters
where 100 * abs(venues.spot / snapshots.spot - 1) > parameters.spot_outlier_pct
order by venues.snapshot_id, venues.venue
