-- Alert regime_changed: the gamma regime of the newest snapshot is another one than the last that was known before.
-- One row per underlying.   Inputs: marts.gex_levels (all venues, all expiries), core.snapshots (live ones).   definitions §6
-- An unknown regime is no change, and none to compare with. The next snapshot in the same regime ends it.

with levels as (
    select * from marts.gex_levels
),

snapshots as (
    select * from core.snapshots
),

placed as (
    select
        snapshots.underlying,
        snapshots.captured_at,
        levels.net_gex_usd_1pct,
        nullif(levels.regime, 'unknown') as regime
    from snapshots
    inner join levels
        on snapshots.snapshot_id = levels.snapshot_id
        and levels.scope_venue = 'all'
        and levels.scope_expiry = 'all'
    where snapshots.origin = 'live'
),

compared as (
    select
        *,
        lag(regime ignore nulls) over (partition by underlying order by captured_at) as previous_regime
    from placed
    qualify row_number() over (partition by underlying order by captured_at desc) = 1
),

final as (
    select
        underlying,
        regime as subject,
        format(
            '{} went from {} to {}: net gamma exposure {:.0f} USD per 1 % ({} UTC)',
            underlying,
            replace(previous_regime, '_', ' '),
            replace(regime, '_', ' '),
            coalesce(net_gex_usd_1pct::double, 0),
            strftime(captured_at, '%Y-%m-%d %H:%M')
        ) as message
    from compared
    where regime <> previous_regime
)

select * from final
order by underlying, subject
