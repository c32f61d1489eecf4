-- severity: advisory
-- scope: snapshot-venue
-- needs: snapshot
-- why: the median difference between our gamma and the venue's, near the money, is over a tenth: forward, volatility or time is off.

select snapshot_id, venue, any_value(compared_with) as compared_with, median(difference) as median_difference, count(*) as contracts
from core.gamma_comparison
group by snapshot_id, venue
having median(difference) > 0.10
order by snapshot_id, venue
