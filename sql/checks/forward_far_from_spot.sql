-- severity: advisory
-- scope: snapshot-venue
-- needs: snapshot
-- why: a forward is more than a tenth plus a quarter a year away from spot: look at the quotes of that expiry.

with venues as (
    select * from core.snapshot_venues
),

forwards as (
    select distinct snapshot_id, venue, expires_at, forward, forward_source, tau from core.live_contracts
)

select forwards.*, venues.spot
from forwards
inner join venues on forwards.snapshot_id = venues.snapshot_id and forwards.venue = venues.venue
where abs(ln(forwards.forward / venues.spot)) > 0.10 + 0.25 * forwards.tau
order by forwards.snapshot_id, forwards.venue, forwards.expires_at
