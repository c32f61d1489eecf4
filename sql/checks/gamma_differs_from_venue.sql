-- severity: advisory
-- scope: snapshot-venue
-- needs: snapshot
-- why: the median difference between our gamma and the venue's, near the money, is over a tenth: forward, volatility or time is off.

with near_the_money as (
    select
        snapshot_id,
        venue,
        abs(gamma / venue_gamma - 1) as difference
    from core.live_contracts
    -- venues round gamma to four decimals: compare where that is a twentieth at most, in units of spot
    where
        venue_gamma >= greatest(0.001, 7.5 / strike)
        and expires_at > quoted_at + interval 1 day
        -- in the money we take the volatility of the other side, as the venue does not
        and case when option_type = 'C' then strike >= forward else strike < forward end
)

select snapshot_id, venue, median(difference) as median_difference, count(*) as contracts
from near_the_money
group by snapshot_id, venue
having median(difference) > 0.10
order by snapshot_id, venue
