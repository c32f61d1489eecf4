-- What the calendar of $market says of settlement instants: type, whether it is an anchor, whether it settles in the morning.

select
    expires_at,
    type,
    is_anchor,
    is_am_settled
from core.calendar
where market = $market
order by expires_at
