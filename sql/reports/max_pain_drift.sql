-- Max pain per expiry over the snapshots of $underlying up to $until, for one scope_venue: a row per snapshot and expiry.

select
    max_pain.snapshot_id,
    max_pain.captured_at,
    max_pain.spot,
    max_pain.expires_at,
    max_pain.expiry,
    max_pain.dte,
    max_pain.max_pain_strike,
    max_pain.max_pain_low,
    max_pain.max_pain_high,
    max_pain.max_pain_usd,
    max_pain.total_oi
from marts.max_pain as max_pain
where max_pain.underlying = $underlying and max_pain.scope_venue = $scope_venue and max_pain.captured_at <= $until
order by max_pain.expires_at, max_pain.captured_at
