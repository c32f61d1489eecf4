-- severity: required
-- scope: snapshot-venue
-- needs: snapshot
-- why: open interest of live contracts differs from that of the marts: contracts were lost or doubled on the way.

with members as (
    select *, unnest(string_split(venues, ',')) as venue from core.scopes
),

of_venues as (
    select snapshot_id, venue, sum(oi_base::decimal(18, 6)) as oi
    from core.option_quotes
    where is_live
    group by snapshot_id, venue
),

quotes as (
    select members.snapshot_id, members.scope_venue, sum(of_venues.oi)::double as quoted_oi
    from members
    inner join of_venues on members.snapshot_id = of_venues.snapshot_id and members.venue = of_venues.venue
    group by members.snapshot_id, members.scope_venue
),

marts as (
    select snapshot_id, scope_venue, exact_sum(total_oi) as mart_oi
    from marts.max_pain
    group by snapshot_id, scope_venue
)

select quotes.snapshot_id, quotes.scope_venue as venue, quotes.quoted_oi, marts.mart_oi
from quotes
left join marts on quotes.snapshot_id = marts.snapshot_id and quotes.scope_venue = marts.scope_venue
where quotes.quoted_oi is distinct from marts.mart_oi
order by quotes.snapshot_id, quotes.scope_venue
