-- api/flashalpha_contract_counts: how many live contracts of usable venues settle at each instant of a snapshot.
-- One row per expires_at.   Parameter: snapshot_id

select expires_at, count(*) as contracts
from core.live_contracts
where snapshot_id = $snapshot_id
group by expires_at
order by expires_at
