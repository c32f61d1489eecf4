-- severity: required
-- scope: snapshot-venue
-- needs: history
-- why: most expiries of the venue's snapshot before it that have not settled are gone: part of the chain is missing.

with venues as (
    select * from core.snapshot_venues
),

parameters as (
    select * from core.parameters
),

expiries as (
    select snapshot_id, scope_venue as venue, expires_at from core.series where kind = 'expiry'
),

usable as (
    select * from venues where status = 'ok'
),

pairs as (
    select
        venues.snapshot_id,
        venues.venue,
        venues.captured_at,
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

expected as (
    select pairs.snapshot_id, pairs.venue, expiries.expires_at
    from pairs
    inner join expiries
        on pairs.previous_snapshot_id = expiries.snapshot_id
        and pairs.venue = expiries.venue
        and pairs.captured_at < expiries.expires_at
),

final as (
    select
        expected.snapshot_id,
        expected.venue,
        count(*) as expected_expiries,
        count(*) filter (expiries.expires_at is null) as gone_expiries
    from expected
    left join expiries
        on expected.snapshot_id = expiries.snapshot_id
        and expected.venue = expiries.venue
        and expected.expires_at = expiries.expires_at
    group by expected.snapshot_id, expected.venue
)

select final.*
from final
cross join parameters
where final.gone_expiries > parameters.max_gone_expiries_share * final.expected_expiries
order by final.snapshot_id, final.venue
