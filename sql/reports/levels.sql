-- What `snapshot` prints of levels: a row per scope_expiry of the snapshots in $ids, all venues together.

select
    underlying,
    scope_expiry,
    spot,
    net_gex_usd_1pct,
    hvl,
    call_resistance,
    put_support,
    call_wall,
    put_wall,
    gamma_flip,
    gamma_flip_status,
    regime
from marts.gex_levels
where snapshot_id in (select unnest($ids)) and scope_venue = 'all'
order by underlying, scope_expiry desc
