-- marts.scanner: one line per underlying: the expiry with the highest pin score, beside the chain's regime and alignment.
-- One row per snapshot_id, scope_venue.   Unit: USD, percent of spot.   definitions §6, §9
-- Of equal scores the nearest expiry; without any score the front expiry, and the reason of its missing score.
-- A view: `latest.scanner` has the newest snapshots, the macro scan ranks those of any moment.

with scores as (
    select * from marts.pin_score
),

pooled as (
    select * from marts.max_pain_pooled
),

levels as (
    select * from marts.gex_levels where scope_expiry = 'all'
),

minima as (
    select * from marts.max_pain
),

chosen as (
    select *
    from scores
    qualify row_number() over (partition by snapshot_id, scope_venue order by pin_score desc nulls last, expires_at) = 1
),

final as (
    select
        chosen.snapshot_id,
        chosen.underlying,
        chosen.captured_at,
        chosen.session_date,
        chosen.scope_venue,
        chosen.expires_at,
        chosen.expiry,
        chosen.dte,
        chosen.pin_score,
        chosen.pin_score_reason,
        chosen.alignment,
        chosen.description,
        chosen.spot,
        chosen.max_pain_strike,
        minima.distance_pct,
        minima.direction,
        minima.signal,
        minima.shape,
        chosen.max_pain_within_expected_range,
        chosen.expected_move_1sd,
        levels.regime,
        levels.gamma_flip,
        levels.gamma_flip_status,
        levels.net_gex_usd_1pct,
        levels.net_to_gross,
        levels.call_resistance,
        levels.put_support,
        pooled.max_pain_strike as pooled_max_pain_strike,
        pooled.pin_score as pooled_pin_score,
        pooled.alignment as pooled_alignment
    from chosen
    inner join minima
        on chosen.snapshot_id = minima.snapshot_id
        and chosen.scope_venue = minima.scope_venue
        and chosen.expires_at = minima.expires_at
    inner join levels on chosen.snapshot_id = levels.snapshot_id and chosen.scope_venue = levels.scope_venue
    inner join pooled on chosen.snapshot_id = pooled.snapshot_id and chosen.scope_venue = pooled.scope_venue
)

select * from final
