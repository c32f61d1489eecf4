-- What each venue gave to snapshot $id: a row per venue of $scope_venue, those asked and not usable too.

select
    venue,
    status,
    captured_at,
    received_at,
    session_date,
    oi_as_of,
    spot,
    spot_source,
    origin,
    run_id,
    error
from core.snapshot_venues
where snapshot_id = $id and ($scope_venue = 'all' or list_contains(string_split($scope_venue, '+'), venue))
order by venue
