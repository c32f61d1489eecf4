-- severity: required
-- scope: snapshot-venue
-- needs: history
-- why: at most half of the contracts of the venue's snapshot before it that have not settled are left: part of the chain is missing.

with venues as (
    select * from core.snapshot_venues
),

parameters as (
    select * from core.parameters
),

contracts as (
    select snapshot_id, venue, expires_at from core.option_quotes where is_live
),

usable as (
    select * from venues where status = 'ok'
),

pairs as (
    select
        venues.snapshot_id,
        venues.venue,
        venues.captured_at,
        venues.live_contracts,
        usable.snapshot_id as previous_snapshot_id
    from venues
    cross join parameters
    asof inner join usable
        on venues.underlying = usable.underlying
        and venues.venue = usable.venue
        and venues.captured_at > usable.captured_at
    where
        venues.status = 'ok'
        and usable.captured_at >= venues.captured_at - to_seconds(86400 * parameters.previous_max_age_days)
),

-- what has settled since is not missing
expected as (
    select
        pairs.snapshot_id,
        pairs.venue,
        pairs.previous_snapshot_id,
        pairs.live_contracts,
        count(*) as previous_live_contracts
    from pairs
    inner join contracts
        on pairs.previous_snapshot_id = contracts.snapshot_id
        and pairs.venue = contracts.venue
        and pairs.captured_at < contracts.expires_at
    group by pairs.snapshot_id, pairs.venue, pairs.previous_snapshot_id, pairs.live_contracts
)

select expected.*
from expected
cross join parameters
where expected.live_contracts <= parameters.min_live_share_of_previous * expected.previous_live_contracts
order by expected.snapshot_id, expected.venue
