-- Max pain by each convention: a row per convention.   Unit: USD per unit of open interest.   definitions §4

select
    series.scope_venue as convention,
    minima.max_pain_strike,
    minima.max_pain_low,
    minima.max_pain_high,
    minima.max_pain_usd,
    minima.total_oi
from core__pain_minimum as minima
inner join core__series as series on minima.series_id = series.series_id
order by convention
