-- What the run report says of gamma: near the money, how far the model's is from the venue's; a row per venue of the snapshots in $ids.
-- compared_with: gamma, the venue's own; mark_iv, Black-76 on the venue's own mark IV and forward where it publishes no gamma.

select
    snapshots.underlying,
    compared.venue,
    compared.compared_with,
    count(*) as contracts,
    round(100 * median(compared.difference), 4) as median_difference_pct
from core.gamma_comparison as compared
inner join core.snapshots as snapshots on compared.snapshot_id = snapshots.snapshot_id
where list_contains($ids, compared.snapshot_id)
group by snapshots.underlying, compared.venue, compared.compared_with
order by snapshots.underlying, compared.venue
