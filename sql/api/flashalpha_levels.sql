-- api/flashalpha_levels: key levels of a snapshot over all venues, of the whole chain and of 0DTE. One row per scope_expiry (all, 0dte).
-- Parameter: snapshot_id.   Unit: USD, USD per 1 % move.   definitions §6

select
    scope_expiry,
    spot,
    net_gex_usd_1pct,
    gamma_flip,
    gamma_flip_status,
    regime,
    call_wall,
    put_wall,
    max_positive_gamma,
    max_negative_gamma,
    highest_oi_strike,
    zero_dte_magnet
from marts.gex_levels
where snapshot_id = $snapshot_id and scope_venue = 'all'
order by scope_expiry
