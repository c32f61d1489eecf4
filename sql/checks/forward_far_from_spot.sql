-- severity: advisory
-- scope: snapshot-venue
-- needs: snapshot
-- why: a forward is more than a tenth plus a quarter a year away from spot: look at the quotes of that expiry.

with greeks as (
    select * from core.option_greeks
),

venues as (
    select * from core.snapshot_venues
),

forwards as (
    select distinct greeks.snapshot_id, greeks.venue, greeks.forward, greeks.forward_source, greeks.tau, venues.spot
    from greeks
    inner join venues on greeks.snapshot_id = venues.snapshot_id and greeks.venue = venues.venue
)

select * from forwards
where abs(ln(forward / spot)) > 0.10 + 0.25 * tau
order by snapshot_id, venue, tau
