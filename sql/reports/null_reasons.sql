-- What the run report says of numbers that are not there: how many of each quantity, and why, in the snapshots in $ids.
-- A row per underlying, venue, relation, quantity, reason; marts count the scope of all venues. `without_reason` would be a defect.
-- An unknown alignment has the reason of what it lacks: max pain, the flip (its status), or a wall.

with volatilities as (
    select snapshot_id, venue, 'core.option_greeks' as relation, reason_of(iv, iv_reason) as iv
    from core.option_greeks
    where list_contains($ids, snapshot_id)
),

smiles as (
    select *, 'core.expiry_smile' as relation
    from core.expiry_smile
    where list_contains($ids, snapshot_id)
    union all by name
    select *, scope_venue as venue, 'marts.expiry_summary' as relation
    from marts.expiry_summary
    where list_contains($ids, snapshot_id) and scope_venue = 'all'
),

of_smiles as (
    select
        snapshot_id,
        venue,
        relation,
        reason_of(atm_iv, atm_iv_reason) as atm_iv,
        reason_of(straddle, straddle_reason) as straddle,
        reason_of(put_25d_iv, put_25d_reason) as put_25d_iv,
        reason_of(call_25d_iv, call_25d_reason) as call_25d_iv,
        reason_of(density_mean, density_reason) as density,
        case when relation = 'marts.expiry_summary' then reason_of(expected_move_1d_1sd, expected_move_1d_reason) end as expected_move_1d
    from smiles
),

shapes as (
    select snapshot_id, scope_venue as venue, 'marts.max_pain' as relation, reason_of(shape, shape_reason) as shape
    from marts.max_pain
    where list_contains($ids, snapshot_id) and scope_venue = 'all'
),

flips as (
    select snapshot_id, scope_venue as venue, 'marts.gex_levels' as relation, reason_of(gamma_flip, gamma_flip_status) as gamma_flip
    from marts.gex_levels
    where list_contains($ids, snapshot_id) and scope_venue = 'all'
),

pins as (
    select *, 'marts.pin_score' as relation
    from marts.pin_score
    where list_contains($ids, snapshot_id) and scope_venue = 'all'
    union all by name
    select *, 'marts.max_pain_pooled' as relation
    from marts.max_pain_pooled
    where list_contains($ids, snapshot_id) and scope_venue = 'all'
),

of_pins as (
    select
        snapshot_id,
        scope_venue as venue,
        relation,
        reason_of(pin_score, pin_score_reason) as pin_score,
        reason_of(gamma_flip, gamma_flip_status) as gamma_flip,
        reason_of_alignment(alignment, max_pain_strike, gamma_flip, gamma_flip_status, call_wall, put_wall) as alignment
    from pins
),

changes as (
    select snapshot_id, scope_venue as venue, 'marts.oi_change' as relation, reason_of(oi_change, oi_change_reason) as oi_change
    from marts.oi_change
    where list_contains($ids, snapshot_id) and scope_venue = 'all'
),

wide as (
    select * from volatilities
    union all by name
    select * from of_smiles
    union all by name
    select * from shapes
    union all by name
    select * from flips
    union all by name
    select * from of_pins
    union all by name
    select * from changes
),

counted as (
    select
        snapshot_id,
        venue,
        relation,
        unnest([
            'iv', 'atm_iv', 'straddle', 'put_25d_iv', 'call_25d_iv', 'density', 'expected_move_1d', 'shape', 'gamma_flip', 'pin_score',
            'alignment', 'oi_change'
        ]) as quantity,
        unnest([
            iv, atm_iv, straddle, put_25d_iv, call_25d_iv, density, expected_move_1d, shape, gamma_flip, pin_score,
            alignment, oi_change
        ]) as reason
    from wide
)

select snapshots.underlying, counted.venue, counted.relation, counted.quantity, counted.reason, count(*) as missing_values
from counted
inner join core.snapshots as snapshots on counted.snapshot_id = snapshots.snapshot_id
where counted.reason is not null
group by all
order by snapshots.underlying, counted.relation, counted.quantity, counted.venue, missing_values desc, counted.reason
