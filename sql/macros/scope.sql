-- What every table macro starts from: one snapshot, the venues, expiries and strikes asked for, added up again.
-- Its last relations stand in for core.scopes, marts.gex_heatmap, core.gamma_ladder and core.expiry_smile in the SQL of the marts, so a
-- macro computes what the marts would hold if the warehouse had only these venues, expiries and strikes.   definitions §1, §5 (filters
-- apply first), §6 (a spot ladder has no strikes: it is empty when some are left out)
-- Macro arguments are bare names here; columns are always qualified.

with arguments as (
    select
        case
            when venues is not null
                then list_sort(list_distinct(list_filter(regexp_split_to_array(lower(venues::varchar), '[^a-z]+'), name -> name <> '')))
        end as asked_venues
),

chosen as (
    select snapshots.*, arguments.asked_venues
    from core.snapshots as snapshots
    cross join arguments
    where
        snapshots.underlying = upper(underlying)
        and (as_of is null or snapshots.captured_at <= as_of::timestamp)
        and (not complete_only or snapshots.status = 'complete')
        and (arguments.asked_venues is null or list_has_any(string_split(snapshots.venues, ','), arguments.asked_venues))
    order by snapshots.captured_at desc
    limit 1
),

scope_rows as (
    select
        chosen.snapshot_id,
        case when any_value(chosen.asked_venues) is null then 'all' else string_agg(members.venue, '+' order by members.venue) end as scope_venue,
        chosen.market,
        chosen.underlying,
        chosen.captured_at,
        chosen.session_date,
        chosen.local_date,
        string_agg(members.venue, ',' order by members.venue) as venues,
        median(members.spot) as spot,
        median(members.spot_implied / members.spot) as implied_to_spot,
        coalesce(strike_min, strike_max, moneyness_min, moneyness_max, window_pct) is not null as is_strike_filtered,
        false as is_only_venue,
        chosen.asked_venues
    from chosen
    inner join core.snapshot_venues as members
        on members.snapshot_id = chosen.snapshot_id
        and members.status = 'ok'
        and (chosen.asked_venues is null or list_contains(chosen.asked_venues, members.venue))
    group by all
),

listed as (
    select heatmap.* exclude (scope_venue), scope_rows.scope_venue, scope_rows.spot
    from marts.gex_heatmap as heatmap
    inner join scope_rows
        on heatmap.snapshot_id = scope_rows.snapshot_id
        and case
            when scope_rows.asked_venues is null then heatmap.scope_venue = 'all'
            else list_contains(string_split(scope_rows.venues, ','), heatmap.scope_venue)
        end
),

cells as (
    select listed.* exclude (spot)
    from listed
    where
        (expiry is null or listed.expiry = expiry::date)
        and (expires_at is null or listed.expires_at = expires_at::timestamp)
        and (dte_min is null or listed.dte >= dte_min)
        and (dte_max is null or listed.dte <= dte_max)
        and (strike_min is null or listed.strike >= strike_min)
        and (strike_max is null or listed.strike <= strike_max)
        and (moneyness_min is null or listed.strike / listed.spot >= moneyness_min)
        and (moneyness_max is null or listed.strike / listed.spot <= moneyness_max)
        and (window_pct is null or abs(listed.strike - listed.spot) <= listed.spot * window_pct / 100)
),

-- a request by date pools the instants of that date under the one with the most open interest, the later one on a tie
instants as (
    select cells.expires_at, exact_sum(net_of(cells.call_oi, cells.put_oi)) as total_oi
    from cells
    group by cells.expires_at
),

pooled_instant as (
    select first(instants.expires_at order by coalesce(instants.total_oi, 0) desc, instants.expires_at desc) as expires_at
    from instants
),

sides as (
    select
        cells.snapshot_id,
        cells.underlying,
        cells.captured_at,
        cells.session_date,
        cells.scope_venue,
        case when expiry is null then cells.expires_at else pooled_instant.expires_at end as expires_at,
        cells.expiry,
        max(cells.dte) as dte,
        cells.strike,
        exact_sum(cells.call_oi) as call_oi,
        exact_sum(cells.put_oi) as put_oi,
        exact_sum(cells.call_oi_contracts) as call_oi_contracts,
        exact_sum(cells.put_oi_contracts) as put_oi_contracts,
        sum(cells.call_gex_usd_1pct) as call_gex_usd_1pct,
        sum(cells.put_gex_usd_1pct) as put_gex_usd_1pct,
        sum(cells.call_dex_usd) as call_dex_usd,
        sum(cells.put_dex_usd) as put_dex_usd,
        sum(cells.call_vex_usd_1vol) as call_vex_usd_1vol,
        sum(cells.put_vex_usd_1vol) as put_vex_usd_1vol,
        sum(cells.call_chex_usd_day) as call_chex_usd_day,
        sum(cells.put_chex_usd_day) as put_chex_usd_day,
        exact_sum(cells.oi_without_iv) as oi_without_iv
    from cells
    cross join pooled_instant
    group by all
),

core__scopes as (
    select scope_rows.* exclude (asked_venues) from scope_rows
),

measured as (
    select
        sides.*,
        false as is_only_venue,
        exposures_of(
            sides.call_oi, sides.put_oi, sides.oi_without_iv, sides.call_gex_usd_1pct, sides.put_gex_usd_1pct, sides.call_dex_usd,
            sides.put_dex_usd, sides.call_vex_usd_1vol, sides.put_vex_usd_1vol, sides.call_chex_usd_day, sides.put_chex_usd_day
        ) as exposures
    from sides
),

marts__gex_heatmap as (
    select measured.* exclude (exposures), exposures.* from measured
),

core__gamma_ladder as (
    select
        ladder.snapshot_id,
        ladder.venue,
        case when expiry is null then ladder.expires_at else pooled_instant.expires_at end as expires_at,
        ladder.spot_factor,
        ladder.call_gex_usd_1pct,
        ladder.put_gex_usd_1pct
    from core.gamma_ladder as ladder
    inner join scope_rows on ladder.snapshot_id = scope_rows.snapshot_id and not scope_rows.is_strike_filtered
    inner join instants on ladder.expires_at = instants.expires_at
    cross join pooled_instant
),

-- whole: how far from spot a flip needs strikes is said by the market's volatility, not by the expiries asked for
core__expiry_smile as (
    select smile.*
    from core.expiry_smile as smile
    inner join scope_rows on smile.snapshot_id = scope_rows.snapshot_id
)
