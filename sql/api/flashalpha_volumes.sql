-- api/flashalpha_volumes: volume of the live contracts of a snapshot, of one expiry date or of all, each venue's own; null where it does
-- not say. One row per contract.   Parameters: snapshot_id, expiry (null: all).   Unit: units of the underlying

select quotes.venue, quotes.strike, quotes.option_type, quotes.volume_base, quotes.multiplier
from core.option_quotes as quotes
where quotes.snapshot_id = $snapshot_id and quotes.is_live and ($expiry::date is null or quotes.expiry = $expiry::date)
order by quotes.strike, quotes.option_type, quotes.venue, quotes.instrument
