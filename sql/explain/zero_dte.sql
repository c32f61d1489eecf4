-- Settlement instants of the 0DTE profile of snapshot $id over $scope_venue: a row per instant.   definitions §6

select expires_at
from core.series
where snapshot_id = $id and scope_venue = $scope_venue and is_zero_dte
order by expires_at
