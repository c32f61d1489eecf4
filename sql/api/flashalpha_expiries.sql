-- api/flashalpha_expiries: the live settlement instants of a snapshot over all venues, whether they are 0DTE, and their contracts.
-- One row per expires_at.   Parameter: snapshot_id.   definitions §1, §6 (0DTE)

with series as (
    select * from core.series where snapshot_id = $snapshot_id and scope_venue = 'all' and kind = 'expiry'
),

-- of usable venues: only theirs have greeks
contracts as (
    select expires_at, count(*) as contracts, any_value(tau order by venue) as tau
    from core.live_contracts
    where snapshot_id = $snapshot_id
    group by expires_at
),

final as (
    select series.expires_at, series.expiry, series.dte, series.is_zero_dte, contracts.contracts, contracts.tau
    from series
    inner join contracts on series.expires_at = contracts.expires_at
)

select * from final
order by expires_at
