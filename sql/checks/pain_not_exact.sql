-- severity: advisory
-- scope: snapshot-venue
-- needs: snapshot
-- why: lots × ticks of a series reach 2^53, where sums of doubles begin to round: the last digit of its pain may change in a rebuild.

with oi as (
    select * from core.oi_by_strike
),

series as (
    select * from core.series
),

sums as (
    select series_id, sum((call_lots + put_lots)::hugeint * strike_ticks) as lot_ticks
    from oi
    group by series_id
)

select series.snapshot_id, series.scope_venue as venue, series.expires_at, sums.lot_ticks
from sums
inner join series on sums.series_id = series.series_id
where sums.lot_ticks >= 9007199254740992
order by series.snapshot_id, series.scope_venue, series.expires_at
