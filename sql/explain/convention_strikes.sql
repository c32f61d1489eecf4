-- Strikes of each convention as rows of core.oi_by_strike: a row per convention, strike.

select
    series.snapshot_id,
    series.series_id,
    conventions.strike,
    conventions.call_oi,
    conventions.put_oi,
    round(coalesce(conventions.call_oi, 0) * series.oi_scale)::bigint as call_lots,
    round(coalesce(conventions.put_oi, 0) * series.oi_scale)::bigint as put_lots,
    round(conventions.strike * series.strike_scale)::bigint as strike_ticks
from oi_by_convention as conventions
inner join core__series as series on conventions.convention = series.scope_venue
order by series.series_id, conventions.strike
