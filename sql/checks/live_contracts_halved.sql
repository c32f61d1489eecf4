-- severity: required
-- scope: snapshot-venue
-- needs: history
-- why: at most half of the live contracts of the venue's snapshot before it: part of the chain is missing.

with venues as (
    select * from core.snapshot_venues
),

parameters as (
    select * from core.parameters
),

usable as (
    select * from venues where status = 'ok'
),

pairs as (
    select
        venues.snapshot_id,
        venues.venue,
        venues.live_contracts,
        usable.snapshot_id as previous_snapshot_id,
        usable.live_contracts as previous_live_contracts
    from venues
    cross join parameters
    asof inner join usable
        on venues.underlying = usable.underlying
        and venues.venue = usable.venue
        and venues.captured_at > usable.captured_at
    where
        venues.status = 'ok'
        and usable.captured_at >= venues.captured_at - to_seconds(86400 * parameters.previous_max_age_days)
)

select pairs.*
from pairs
cross join parameters
where pairs.live_contracts <= parameters.min_live_share_of_previous * pairs.previous_live_contracts
order by pairs.snapshot_id, pairs.venue
