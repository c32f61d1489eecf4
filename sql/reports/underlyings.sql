-- What is published: per underlying its snapshots, the first and the last, and the venues that any of them has.

with snapshots as (
    select *, unnest(string_split(venues, ',')) as venue from core.snapshots
)

select
    underlying,
    count(distinct snapshot_id) as snapshots,
    min(captured_at) as first_at,
    max(captured_at) as last_at,
    string_agg(distinct venue, ', ' order by venue) as venues
from snapshots
group by underlying
order by underlying
