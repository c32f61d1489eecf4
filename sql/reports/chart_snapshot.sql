-- What a chart says of its snapshot $id: one row. Open interest is as old as that of the oldest venue of $scope_venue.

select
    snapshots.snapshot_id,
    snapshots.underlying,
    snapshots.market,
    snapshots.captured_at,
    snapshots.session_date,
    snapshots.status,
    snapshots.venues,
    snapshots.venues_missing,
    snapshots.is_repeat,
    snapshots.origin,
    min(members.oi_as_of) as oi_as_of
from core.snapshots as snapshots
inner join core.snapshot_venues as members
    on snapshots.snapshot_id = members.snapshot_id
    and members.status = 'ok'
    and ($scope_venue = 'all' or list_contains(string_split($scope_venue, '+'), members.venue))
where snapshots.snapshot_id = $id
group by all
