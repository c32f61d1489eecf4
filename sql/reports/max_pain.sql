-- What `snapshot` prints of max pain: a row per expiry of the snapshots in $ids, all venues together.

select
    underlying,
    expiry,
    strftime(expires_at, '%Y-%m-%d %H:%M') as expires_at_utc,
    dte,
    spot,
    max_pain_strike,
    round(distance_pct, 2) as distance_pct,
    direction,
    call_oi,
    put_oi,
    round(pcr, 2) as pcr
from marts.max_pain
where snapshot_id in (select unnest($ids)) and scope_venue = 'all'
order by underlying, expires_at
