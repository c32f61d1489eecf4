-- Alert flip_crossed: spot of the newest snapshot stands on the other side of the gamma flip than in the one before that has a flip.
-- One row per underlying.   Inputs: marts.gex_levels (all venues, all expiries), core.snapshots (live ones).   Unit: USD.   definitions §6
-- At the flip counts as above it. A crossing is an event: the next snapshot without one ends it.

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
        levels.spot,
        levels.gamma_flip,
        case when levels.spot >= levels.gamma_flip then 'above' when levels.spot < levels.gamma_flip then 'below' end as side
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
        lag(side ignore nulls) over (partition by underlying order by captured_at) as previous_side
    from placed
    qualify row_number() over (partition by underlying order by captured_at desc) = 1
),

final as (
    select
        underlying,
        side as subject,
        format(
            '{} crossed the gamma flip: spot {:.2f} is {} {:.2f}, it was {} before ({} UTC)',
            underlying, spot, side, gamma_flip, previous_side, strftime(captured_at, '%Y-%m-%d %H:%M')
        ) as message
    from compared
    where side <> previous_side
)

select * from final
order by underlying, subject
