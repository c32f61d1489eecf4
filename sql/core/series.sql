-- core.series: the expiries of each scope, and the pool of all of them, under one narrow number.
-- One row per snapshot_id, scope_venue, series_id.   definitions §4 (pooled), §6 (0DTE)
-- oi_scale and strike_scale make open interest and strikes whole numbers: sums of integers are exact in any order.

with heatmap as (
    select * from marts.gex_heatmap
),

scopes as (
    select * from core.scopes
),

expiries as (
    select
        snapshot_id,
        scope_venue,
        'expiry' as kind,
        expires_at,
        expiry,
        min(dte) as dte,
        max(greatest(decimals_of(call_oi), decimals_of(put_oi))) as oi_decimals,
        max(decimals_of(strike)) as strike_decimals
    from heatmap
    group by snapshot_id, scope_venue, expires_at, expiry
),

pools as (
    select
        snapshot_id,
        scope_venue,
        'pooled' as kind,
        null::timestamp as expires_at,
        null::date as expiry,
        null::integer as dte,
        max(oi_decimals) as oi_decimals,
        max(strike_decimals) as strike_decimals
    from expiries
    group by snapshot_id, scope_venue
),

series as (
    select * from expiries
    union all
    select * from pools
),

with_scope as (
    select
        series.*,
        scopes.is_only_venue,
        scopes.market,
        scopes.captured_at,
        series.expiry = scopes.local_date as settles_today
    from series
    inner join scopes on series.snapshot_id = scopes.snapshot_id and series.scope_venue = scopes.scope_venue
),

final as (
    select
        snapshot_id,
        scope_venue,
        is_only_venue,
        -- 51 bits of the snapshot's hash, then the dense number of the series in it: narrow, and the same in every rebuild
        ((md5_number_lower(snapshot_id) >> 13) << 12)::bigint
        + row_number() over (partition by snapshot_id order by scope_venue, expires_at nulls last) as series_id,
        kind,
        expires_at,
        expiry,
        dte,
        case
            when kind = 'pooled' then null
            when market = 'us' or bool_or(settles_today) over (partition by snapshot_id, scope_venue) then settles_today
            else expires_at <= captured_at + interval 24 hours
        end as is_zero_dte,
        pow(10, oi_decimals) as oi_scale,
        pow(10, strike_decimals) as strike_scale
    from with_scope
)

select * from final
order by snapshot_id, series_id
