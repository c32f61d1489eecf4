-- What the run report says of missing volatilities: contracts of the snapshots in $ids by reason.

select
    split_part(snapshot_id, '-', 1) as underlying,
    venue,
    iv_reason,
    count(*) as contracts
from core.option_greeks
where snapshot_id in (select unnest($ids)) and iv is null
group by all
order by all
