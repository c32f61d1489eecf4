-- latest.snapshots: per underlying the newest snapshot; a repeat counts, because contracts that have settled must leave.
-- One row per underlying. status and venues_missing tell what is not there.

select * from core.snapshots
qualify row_number() over (partition by underlying order by captured_at desc) = 1
order by underlying
