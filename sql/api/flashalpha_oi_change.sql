-- api/flashalpha_oi_change: change of open interest by strike over all venues, of one expiry date or of all.
-- One row per strike, option_type; null where nothing could be compared.   Parameters: snapshot_id, expiry (null: all).   definitions §11

select
    strike,
    option_type,
    exact_sum(oi_change) as oi_change,
    exact_sum(oi_change_contracts) as oi_change_contracts
from marts.oi_change
where snapshot_id = $snapshot_id and scope_venue = 'all' and ($expiry::date is null or expiry = $expiry::date)
group by strike, option_type
order by strike, option_type
