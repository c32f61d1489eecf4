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

final as (
    select
        snapshot_id,
        underlying,
        captured_at,
        session_date,
        scope_venue,
        is_only_venue,
        scope_expiry,
        strike,
        call_oi,
        put_oi,
        call_oi_contracts,
        put_oi_contracts,
        call_gex_usd_1pct,
        put_gex_usd_1pct,
        net_of(call_gex_usd_1pct, put_gex_usd_1pct) as net_gex_usd_1pct,
        gross_of(call_gex_usd_1pct, put_gex_usd_1pct) as abs_gex_usd_1pct,
        net_to_gross_of(net_gex_usd_1pct, abs_gex_usd_1pct) as net_to_gross,
        call_dex_usd,
        put_dex_usd,
        net_of(call_dex_usd, put_dex_usd) as net_dex_usd,
        gross_of(call_dex_usd, put_dex_usd) as abs_dex_usd,
        net_to_gross_of(net_dex_usd, abs_dex_usd) as dex_net_to_gross,
        call_vex_usd_1vol,
        put_vex_usd_1vol,
        net_of(call_vex_usd_1vol, put_vex_usd_1vol) as net_vex_usd_1vol,
        gross_of(call_vex_usd_1vol, put_vex_usd_1vol) as abs_vex_usd_1vol,
        net_to_gross_of(net_vex_usd_1vol, abs_vex_usd_1vol) as vex_net_to_gross,
        call_chex_usd_day,
        put_chex_usd_day,
        net_of(call_chex_usd_day, put_chex_usd_day) as net_chex_usd_day,
        gross_of(call_chex_usd_day, put_chex_usd_day) as abs_chex_usd_day,
        net_to_gross_of(net_chex_usd_day, abs_chex_usd_day) as chex_net_to_gross,
        oi_without_iv,
        100 * oi_without_iv / nullif(net_of(call_oi, put_oi), 0) as oi_without_iv_pct
    from sides
)

select * from final
