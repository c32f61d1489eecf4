-- api/flashalpha_quoted_at: when the newest live quote of a snapshot was given. One row.   Parameter: snapshot_id.   Times are UTC

select max(quoted_at) as quoted_at
from core.option_quotes
where snapshot_id = $snapshot_id and is_live
