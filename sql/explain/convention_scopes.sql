-- Each convention as a scope of core.scopes, all at the spot of the scope asked for: a row per convention.

select
    snapshot_id,
    scope_venue,
    $spot::double as spot
from core__series
order by scope_venue
