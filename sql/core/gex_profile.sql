-- core.gex_profile: exposures by strike over all live expiries, and over those of 0DTE.
-- One row per snapshot_id, scope_venue, scope_expiry, strike.   Units as marts.gex_heatmap.   definitions §5, §6
-- transient: marts.gex_by_strike publishes it

with heatmap as (
    select * from marts.gex_heatmap
),

series as (
    select * from core.series where kind = 'expiry'
),

cells as (
    select
        heatmap.*,
        unnest(case when series.is_zero_dte then ['all', '0dte'] else ['all'] end) as scope_expiry
    from heatmap
    inner join series
        on heatmap.snapshot_id = series.snapshot_id
        and heatmap.scope_venue = series.scope_venue
        and heatmap.expires_at = series.expires_at
),

sides as (
    select
        snapshot_id,
        underlying,
        captured_at,
        session_date,
        scope_venue,
        is_only_venue,
        scope_expiry,
        strike,
        exact_sum(call_oi) as call_oi,
        exact_sum(put_oi) as put_oi,
        exact_sum(call_oi_contracts) as call_oi_contracts,
        exact_sum(put_oi_contracts) as put_oi_contracts,
        exact_usd(sum(call_gex_usd_1pct)) as call_gex_usd_1pct,
        exact_usd(sum(put_gex_usd_1pct)) as put_gex_usd_1pct,
        exact_usd(sum(call_dex_usd)) as call_dex_usd,
        exact_usd(sum(put_dex_usd)) as put_dex_usd,
        exact_usd(sum(call_vex_usd_1vol)) as call_vex_usd_1vol,
        exact_usd(sum(put_vex_usd_1vol)) as put_vex_usd_1vol,
        exact_usd(sum(call_chex_usd_day)) as call_chex_usd_day,
        exact_usd(sum(put_chex_usd_day)) as put_chex_usd_day,
        exact_sum(oi_without_iv) as oi_without_iv
    from cells
    group by all
),

measured as (
    select
        *,
        exposures_of(
            call_oi, put_oi, oi_without_iv, call_gex_usd_1pct, put_gex_usd_1pct, call_dex_usd, put_dex_usd,
            call_vex_usd_1vol, put_vex_usd_1vol, call_chex_usd_day, put_chex_usd_day
        ) as exposures
    from sides
),

final as (
    select * exclude (exposures), exposures.* from measured
)

select * from final
