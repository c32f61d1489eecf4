-- api/flashalpha_underlyings: what is stored at or before a moment (null: all): per underlying its newest snapshot.
-- One row per underlying.   Parameter: at (naive UTC)

select underlying, any_value(market) as market, max(captured_at) as captured_at
from core.snapshots
where $at::timestamp is null or captured_at <= $at::timestamp
group by underlying
order by underlying
