-- Each convention of oi_by_convention as a series of core.series, so that the SQL of core.pain runs on it: a row per convention.

with measured as (
    select
        $id as snapshot_id,
        convention,
        max(greatest(decimals_of(call_oi), decimals_of(put_oi))) as oi_decimals,
        max(decimals_of(strike)) as strike_decimals
    from oi_by_convention
    group by convention
)

select
    snapshot_id,
    convention as scope_venue,
    dense_rank() over (order by convention) as series_id,
    pow(10, oi_decimals) as oi_scale,
    pow(10, strike_decimals) as strike_scale
from measured
order by series_id
