-- severity: advisory
-- scope: snapshot-venue
-- needs: snapshot
-- why: the spot that options within 7 days imply is over 10 basis points from the venue's: they moved on after the index stopped.

with venues as (
    select * from core.snapshot_venues
),

nearest as (
    select snapshot_id, venue, min(tau) as tau
    from core.live_contracts
    where tau <= 7 / 365 and forward_source = 'parity'
    group by snapshot_id, venue
)

select venues.snapshot_id, venues.venue, venues.spot, venues.spot_implied, venues.spot_basis_bp, 365 * nearest.tau as days
from venues
inner join nearest on venues.snapshot_id = nearest.snapshot_id and venues.venue = nearest.venue
where abs(venues.spot_basis_bp) > 10
order by venues.snapshot_id, venues.venue
