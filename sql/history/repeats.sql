-- Marks repeats: a snapshot with the session_date and the open-interest vector of an earlier one.   definitions §1
-- quotes_changed compares with the latest such snapshot.

with marked as (
    select
        snapshot_id,
        count(*) over earlier > 0 as is_repeat,
        last(quotes_hash) over earlier <> quotes_hash as quotes_changed
    from core.snapshots
    where underlying = $underlying
    window earlier as (
        partition by session_date, oi_hash order by captured_at rows between unbounded preceding and 1 preceding
    )
)

update core.snapshots
set is_repeat = marked.is_repeat, quotes_changed = marked.quotes_changed
from marked
where
    core.snapshots.snapshot_id = marked.snapshot_id
    and (
        core.snapshots.is_repeat <> marked.is_repeat
        or core.snapshots.quotes_changed is distinct from marked.quotes_changed
    )
