-- api/flashalpha_coverage: what is stored of each underlying, or of one: its days, those with a usable snapshot, and how much there is.
-- One row per underlying.   Parameters: underlying (null: each), at (naive UTC, null: all). A day is a session, in crypto a UTC day

with snapshots as (
    select *
    from core.snapshots
    where ($underlying::varchar is null or underlying = upper($underlying)) and ($at::timestamp is null or captured_at <= $at::timestamp)
),

quotes as (
    select snapshots.underlying, count(*) as quote_rows
    from snapshots
    inner join core.option_quotes as quotes on snapshots.snapshot_id = quotes.snapshot_id
    group by snapshots.underlying
),

spans as (
    select
        underlying,
        any_value(market) as market,
        min(session_date) as first_date,
        max(session_date) as last_date,
        count(distinct session_date) as healthy_days,
        count(*) as snapshots,
        max(captured_at) as captured_at
    from snapshots
    group by underlying
),

days as (
    select spans.underlying, count(*) as session_days
    from spans
    inner join core.sessions as sessions on sessions.session_date between spans.first_date and spans.last_date
    where spans.market = 'us'
    group by spans.underlying
),

final as (
    select
        spans.*,
        coalesce(days.session_days, date_diff('day', spans.first_date, spans.last_date) + 1) as total_days,
        quotes.quote_rows
    from spans
    left join days on spans.underlying = days.underlying
    left join quotes on spans.underlying = quotes.underlying
)

select * from final
order by underlying
