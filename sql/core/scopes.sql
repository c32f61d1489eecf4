-- core.scopes: which venues a published number covers, and the spot of that scope.
-- One row per snapshot_id, scope_venue.   Unit of spot: USD.   definitions §1, §2
-- A snapshot with one usable venue has that scope only (is_only_venue); the published views offer it as `all` too.
-- For other relations, not published: implied_to_spot, what put–call parity says of spot / spot; is_strike_filtered, which macros set.

with snapshots as (
    select * from core.snapshots
),

usable as (
    select * from core.snapshot_venues where status = 'ok'
),

each_venue as (
    select
        snapshot_id,
        venue as scope_venue,
        venue as venues,
        spot,
        spot_implied / spot as implied_to_spot,
        count(*) over (partition by snapshot_id) = 1 as is_only_venue
    from usable
),

all_venues as (
    select
        snapshot_id,
        'all' as scope_venue,
        string_agg(venue, ',' order by venue) as venues,
        median(spot) as spot,
        median(spot_implied / spot) as implied_to_spot,
        false as is_only_venue
    from usable
    group by snapshot_id
    having count(*) > 1
),

scopes as (
    select * from each_venue
    union all
    select * from all_venues
),

final as (
    select
        scopes.snapshot_id,
        scopes.scope_venue,
        snapshots.market,
        snapshots.underlying,
        snapshots.captured_at,
        snapshots.session_date,
        snapshots.local_date,
        scopes.venues,
        scopes.spot,
        scopes.implied_to_spot,
        false as is_strike_filtered,
        scopes.is_only_venue
    from scopes
    inner join snapshots on scopes.snapshot_id = snapshots.snapshot_id
)

select * from final
order by snapshot_id, scope_venue
