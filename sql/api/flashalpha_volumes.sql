-- api/flashalpha_volumes: volume by strike of a snapshot, of one expiry date or of all, over usable venues; null where none says.
-- One row per strike.   Parameters: snapshot_id, expiry (null: all).   Unit: contracts; crypto: coins

with contracts as (
    select
        quotes.strike,
        quotes.option_type,
        case when venues.market = 'us' then quotes.volume_base / quotes.multiplier else quotes.volume_base end as volume
    from core.option_quotes as quotes
    inner join core.snapshot_venues as venues
        on quotes.snapshot_id = venues.snapshot_id and quotes.venue = venues.venue and venues.status = 'ok'
    where
        quotes.snapshot_id = $snapshot_id
        and venues.snapshot_id = $snapshot_id
        and quotes.is_live
        and ($expiry::date is null or quotes.expiry = $expiry::date)
),

final as (
    select
        strike,
        exact_sum(case when option_type = 'C' then volume end) as call_volume,
        exact_sum(case when option_type = 'P' then volume end) as put_volume
    from contracts
    group by strike
)

select * from final
order by strike
