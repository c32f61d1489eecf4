-- api/flashalpha_settlements: what the marts hold of each settlement instant of a snapshot, over all venues: max pain, pin score, smile,
-- exposures, and whether it is 0DTE.
-- One row per expires_at.   Parameters: snapshot_id, expiry (null: all).   Unit: USD.   definitions §4, §5, §6 (regime), §7, §9
-- Only the columns that are asked for: a plan over whole marts takes longer than its execution.

with series as (
    select expires_at, is_zero_dte
    from core.series
    where snapshot_id = $snapshot_id and scope_venue = 'all' and kind = 'expiry'
),

minima as (
    select expires_at, expiry, dte, max_pain_strike, distance_abs, distance_pct, direction, signal, pcr, spot
    from marts.max_pain
    where snapshot_id = $snapshot_id and scope_venue = 'all' and ($expiry::date is null or expiry = $expiry::date)
),

scores as (
    select expires_at, pin_score, alignment, description, gamma_flip, gamma_flip_status, call_wall, put_wall
    from marts.pin_score
    where snapshot_id = $snapshot_id and scope_venue = 'all'
),

smiles as (
    select expires_at, forward, straddle, atm_iv
    from marts.expiry_summary
    where snapshot_id = $snapshot_id and scope_venue = 'all'
),

exposures as (
    select expires_at, call_dex_usd, put_dex_usd, net_gex_usd_1pct, net_vex_usd_1vol, net_chex_usd_day
    from marts.gex_by_expiry
    where snapshot_id = $snapshot_id and scope_venue = 'all'
),

final as (
    select
        minima.*,
        series.is_zero_dte,
        scores.* exclude (expires_at),
        case
            when scores.gamma_flip is null then 'unknown'
            when minima.spot >= scores.gamma_flip then 'positive_gamma'
            else 'negative_gamma'
        end as regime,
        smiles.* exclude (expires_at),
        exposures.* exclude (expires_at)
    from minima
    inner join series on minima.expires_at = series.expires_at
    inner join scores on minima.expires_at = scores.expires_at
    inner join smiles on minima.expires_at = smiles.expires_at
    inner join exposures on minima.expires_at = exposures.expires_at
)

select * from final
order by expires_at
