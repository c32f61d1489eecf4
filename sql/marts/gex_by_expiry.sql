-- marts.gex_by_expiry: open interest and exposures of each live expiry over all its strikes.
-- One row per snapshot_id, scope_venue, expires_at.   Units as marts.gex_heatmap.   definitions §5
-- Gross sums (abs_…) are those of the strikes: vanna and charm change sign between strikes, and that must not cancel.

with heatmap as (
    select * from marts.gex_heatmap
),

sides as (
    select
        snapshot_id,
        underlying,
        captured_at,
        session_date,
        scope_venue,
        is_only_venue,
        expires_at,
        expiry,
        dte,
        exact_sum(call_oi) as call_oi,
        exact_sum(put_oi) as put_oi,
        exact_sum(call_oi_contracts) as call_oi_contracts,
        exact_sum(put_oi_contracts) as put_oi_contracts,
        sum(call_gex_usd_1pct) as call_gex_usd_1pct,
        sum(put_gex_usd_1pct) as put_gex_usd_1pct,
        sum(net_gex_usd_1pct) as net_gex_usd_1pct,
        sum(abs_gex_usd_1pct) as abs_gex_usd_1pct,
        sum(call_dex_usd) as call_dex_usd,
        sum(put_dex_usd) as put_dex_usd,
        sum(net_dex_usd) as net_dex_usd,
        sum(abs_dex_usd) as abs_dex_usd,
        sum(call_vex_usd_1vol) as call_vex_usd_1vol,
        sum(put_vex_usd_1vol) as put_vex_usd_1vol,
        sum(net_vex_usd_1vol) as net_vex_usd_1vol,
        sum(abs_vex_usd_1vol) as abs_vex_usd_1vol,
        sum(call_chex_usd_day) as call_chex_usd_day,
        sum(put_chex_usd_day) as put_chex_usd_day,
        sum(net_chex_usd_day) as net_chex_usd_day,
        sum(abs_chex_usd_day) as abs_chex_usd_day,
        exact_sum(oi_without_iv) as oi_without_iv
    from heatmap
    group by all
),

final as (
    select
        *,
        net_to_gross_of(net_gex_usd_1pct, abs_gex_usd_1pct) as net_to_gross,
        net_to_gross_of(net_dex_usd, abs_dex_usd) as dex_net_to_gross,
        net_to_gross_of(net_vex_usd_1vol, abs_vex_usd_1vol) as vex_net_to_gross,
        net_to_gross_of(net_chex_usd_day, abs_chex_usd_day) as chex_net_to_gross,
        100 * oi_without_iv / nullif(net_of(call_oi, put_oi), 0) as oi_without_iv_pct
    from sides
)

select * from final
order by snapshot_id, scope_venue, expires_at
