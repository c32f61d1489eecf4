-- core.settlement_prices: at what price options settled.
-- One row per underlying, expires_at.   Unit: USD.   definitions §10
-- US, at a session's close: the close that the last snapshot of that session taken after it shows, else the previous close that a snapshot
-- of the next session shows. Else, and for crypto, what a venue or an imported file says, Deribit first. The opening price of an index
-- is not its morning settlement, so that is known only from imports.
-- A view: it follows the snapshots and prices that there are, in whatever order they were loaded.

with delivered as (
    select * from core.delivery_prices
    -- a corrected price stands beside the first
    qualify row_number() over (
        partition by underlying, expires_at, source order by received_at desc, payload_sha256 desc, row_number desc
    ) = 1
),

venues as (
    select * from core.snapshot_venues where market = 'us' and status = 'ok'
),

snapshots as (
    select * from core.snapshots where market = 'us'
),

sessions as (
    select
        session_date,
        closes_at,
        lead(session_date) over (order by session_date) as next_session_date,
        lead(opens_at) over (order by session_date) as next_opens_at
    from core.sessions
),

-- an underlying without options that settle at a close, such as VIX, has no settlement price there
listed as (
    select distinct underlying, expires_at
    from marts.max_pain
    where scope_venue = 'all'
),

shown as (
    select venues.*, snapshots.local_date
    from venues
    inner join snapshots on venues.snapshot_id = snapshots.snapshot_id
),

closes as (
    select
        shown.underlying,
        sessions.closes_at as expires_at,
        1 as preference,
        'close' as source,
        last(shown.spot_close order by shown.captured_at, shown.snapshot_id, shown.venue) as settlement_price,
        last(shown.snapshot_id order by shown.captured_at, shown.snapshot_id, shown.venue) as settlement_snapshot_id
    from shown
    inner join sessions on shown.session_date = sessions.session_date and shown.captured_at > sessions.closes_at
    where shown.spot_close > 0
    group by shown.underlying, sessions.closes_at
),

-- its quotes must be those of the next session already: a delayed feed shows the session before for some minutes after 09:30
previous_closes as (
    select
        shown.underlying,
        sessions.closes_at as expires_at,
        2 as preference,
        'prev_day_close' as source,
        last(shown.prev_day_close order by shown.captured_at, shown.snapshot_id, shown.venue) as settlement_price,
        last(shown.snapshot_id order by shown.captured_at, shown.snapshot_id, shown.venue) as settlement_snapshot_id
    from shown
    inner join sessions
        on shown.session_date = sessions.next_session_date
        and shown.local_date = sessions.next_session_date
        and shown.captured_at > sessions.next_opens_at
    where shown.prev_day_close > 0
    group by shown.underlying, sessions.closes_at
),

found as (
    select closes.*
    from closes
    inner join listed on closes.underlying = listed.underlying and closes.expires_at = listed.expires_at
    union all
    select previous_closes.*
    from previous_closes
    inner join listed on previous_closes.underlying = listed.underlying and previous_closes.expires_at = listed.expires_at
    union all
    select
        underlying,
        expires_at,
        case when starts_with(source, 'deribit:') then 3 else 4 end as preference,
        source,
        settlement_price,
        null as settlement_snapshot_id
    from delivered
),

final as (
    select underlying, expires_at, settlement_price, source, settlement_snapshot_id
    from found
    qualify row_number() over (partition by underlying, expires_at order by preference, source) = 1
)

select * from final
