-- api/flashalpha_expiries: the live settlement instants of a snapshot over all venues, and whether they are 0DTE.
-- One row per expires_at.   Parameter: snapshot_id.   definitions §1, §6 (0DTE)

select expires_at, expiry, dte, is_zero_dte
from core.series
where snapshot_id = $snapshot_id and scope_venue = 'all' and kind = 'expiry'
order by expires_at
