-- The pain curve by our convention, and its slopes to either side of each strike: a row per strike.
-- Unit: USD; slopes in USD per 1 USD of settlement price.   definitions §4

select
    pain.strike,
    oi.call_oi,
    oi.put_oi,
    pain.call_pain_usd,
    pain.put_pain_usd,
    pain.total_pain_usd,
    pain.slope_below,
    pain.slope_above
from core__pain as pain
inner join core__series as series on pain.series_id = series.series_id and series.scope_venue = $convention
inner join core__oi_by_strike as oi on pain.series_id = oi.series_id and pain.strike = oi.strike
order by pain.strike
