-- severity: advisory
-- scope: snapshot-venue
-- needs: snapshot
-- why: more than a fifth of the open interest has no volatility and is left out of the exposures.

select snapshot_id, scope_venue as venue, oi_without_iv_pct
from marts.gex_levels
where scope_expiry = 'all' and oi_without_iv_pct > 20
order by snapshot_id, scope_venue
