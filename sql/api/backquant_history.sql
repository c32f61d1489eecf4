-- backquant_history: total and local net gamma exposure, hvl, walls and spot of an underlying's snapshots, newest first, over venues asked.
-- One row per captured_at.   Arguments: underlying; venues (null: all); until (inclusive) and before (exclusive), null for none; rows.
-- Unit: USD per 1 % move; levels in USD.   definitions §2, §5, §6
-- Local is within 5 % of spot. hvl is the strike, of the pair around its crossing, where the running sum is nearest zero. What
-- marts.gex_levels holds for all venues and for each, here for any of them and many snapshots at once. A snapshot without any has no row.

with parameters as (
    select * from core.parameters
),

snapshots as (
    select
        snapshots.snapshot_id,
        snapshots.captured_at,
        list(usable.venue) as venues,
        median(usable.spot) as spot
    from core.snapshots as snapshots
    inner join core.snapshot_venues as usable
        on snapshots.snapshot_id = usable.snapshot_id
        and usable.status = 'ok'
        and ($venues::varchar[] is null or list_contains($venues::varchar[], usable.venue))
    where
        snapshots.underlying = $underlying
        and ($until::timestamp is null or snapshots.captured_at <= $until::timestamp)
        and ($before::timestamp is null or snapshots.captured_at < $before::timestamp)
    group by snapshots.snapshot_id, snapshots.captured_at
    order by snapshots.captured_at desc
    limit $rows
),

profile as (
    select
        snapshots.snapshot_id,
        snapshots.spot,
        heatmap.strike,
        sum(heatmap.net_gex_usd_1pct) as net_gex_usd_1pct
    from snapshots
    inner join marts.gex_heatmap as heatmap
        on snapshots.snapshot_id = heatmap.snapshot_id and list_contains(snapshots.venues, heatmap.scope_venue)
    group by snapshots.snapshot_id, snapshots.spot, heatmap.strike
),

strikes as (
    select
        profile.*,
        abs(strike - spot) as from_spot,
        case when strike > spot then 'above' when strike < spot then 'below' end as side,
        net_gex_usd_1pct::double / nullif(max(abs(net_gex_usd_1pct)) over whole, 0)::double as share,
        sum(net_gex_usd_1pct) over up_to_here as running
    from profile
    window
        whole as (partition by snapshot_id),
        up_to_here as (partition by snapshot_id order by strike rows unbounded preceding)
),

walls as (
    select
        snapshot_id,
        sum(net_gex_usd_1pct) as total_gex,
        sum(net_gex_usd_1pct) filter (from_spot <= spot * 5 / 100) as net_gex_local_5pct,
        first(strike order by net_gex_usd_1pct desc, from_spot, strike) filter (
            side = 'above' and net_gex_usd_1pct > 0 and share >= level_min_share
        ) as call_wall,
        first(strike order by net_gex_usd_1pct desc, from_spot, strike) filter (
            side = 'below' and net_gex_usd_1pct > 0 and share >= level_min_share
        ) as put_wall
    from strikes
    cross join parameters
    group by snapshot_id
),

-- strikes where the running sum is not zero, each beside the one before: zeros between them belong to the crossing
signed as (
    select
        strikes.*,
        lag(strike) over up as strike_before,
        lag(running) over up as running_before
    from strikes
    where running <> 0
    window up as (partition by snapshot_id order by strike)
),

stretches as (
    select signed.*, zeros.first_zero, zeros.last_zero
    from signed
    left join lateral (
        select min(zero.strike) as first_zero, max(zero.strike) as last_zero
        from strikes as zero
        where
            zero.snapshot_id = signed.snapshot_id
            and zero.running = 0
            and zero.strike > signed.strike_before
            and zero.strike < signed.strike
    ) as zeros on true
    where signed.running > 0 and signed.running_before < 0
),

crossings as (
    select
        *,
        coalesce(
            (first_zero + last_zero) / 2,
            strike_before - running_before::double / (running::double - running_before::double) * (strike - strike_before)
        ) as hvl
    from stretches
),

hvls as (
    select
        snapshot_id,
        case
            when first_zero is not null then case when abs(last_zero - spot) < abs(first_zero - spot) then last_zero else first_zero end
            when abs(running) < abs(running_before) then strike
            when abs(running) > abs(running_before) then strike_before
            when abs(strike - spot) < abs(strike_before - spot) then strike
            else strike_before
        end as hvl
    from crossings
    where hvl between 0.80 * spot and 1.20 * spot
    qualify row_number() over (partition by snapshot_id order by abs(crossings.hvl - spot), crossings.hvl) = 1
),

final as (
    select
        snapshots.captured_at,
        snapshots.spot,
        walls.total_gex,
        walls.net_gex_local_5pct,
        hvls.hvl,
        walls.call_wall,
        walls.put_wall
    from snapshots
    left join walls on snapshots.snapshot_id = walls.snapshot_id
    left join hvls on snapshots.snapshot_id = hvls.snapshot_id
)

select * from final
order by captured_at desc
