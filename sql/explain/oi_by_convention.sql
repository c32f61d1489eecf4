-- Open interest by strike as different conventions count it, for snapshot $id, $venues and an expiry or instant: a row per convention,
-- strike.   definitions §4: what is asked for (ours) and what others use: calls and puts swapped, contracts, adjusted contracts too, one
-- root, one venue, one settlement instant, the whole date, all live expiries.
-- Pain with both legs reversed is pain with calls and puts swapped.

with snapshot as (
    select * from core.snapshots where snapshot_id = $id
),

quotes as (
    select
        quotes.*,
        ($expiry is null or quotes.expiry = $expiry::date)
        and ($expires_at is null or quotes.expires_at = $expires_at::timestamp) as is_asked
    from core.option_quotes as quotes
    inner join snapshot on quotes.snapshot_id = snapshot.snapshot_id and quotes.expires_at > snapshot.captured_at
    where list_contains($venues, quotes.venue)
),

dates as (
    select distinct expiry from quotes where is_asked
),

counted as (
    select
        strike,
        option_type,
        oi_base,
        unnest(
            list_concat(
                case when is_live and is_asked then ['ours', 'reversed', 'contracts', 'root ' || root, 'venue ' || venue] end,
                case when is_live and is_asked then [strftime(expires_at, 'instant %Y-%m-%dT%H:%M:%S')] end,
                case when is_asked then ['adjusted'] end,
                case when is_live and expiry in (select dates.expiry from dates) then ['date'] end,
                case when is_live then ['pooled'] end
            )
        ) as convention,
        oi_base / multiplier as oi_contracts
    from quotes
),

told as (
    select
        convention,
        strike,
        case when convention = 'contracts' then oi_contracts else oi_base end as oi,
        (option_type = 'C') <> (convention = 'reversed') as is_call
    from counted
)

select
    convention,
    strike,
    exact_sum(case when is_call then oi end) as call_oi,
    exact_sum(case when not is_call then oi end) as put_oi
from told
group by convention, strike
order by convention, strike
