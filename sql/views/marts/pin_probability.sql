-- marts.pin_probability: beside a pin score, how often scores like it came true before.
-- One row per snapshot_id, scope_venue, expires_at; scope_venue is all, because outcomes are told over all venues.   definitions §10
-- The fit is the newest that ends before the snapshot's captured_at, of the same market and horizon: nothing that came later is in it.
-- A view: it follows the snapshots and outcomes that there are.

with scores as (
    select * from marts.pin_score where scope_venue = 'all'
),

snapshots as (
    select * from core.snapshots
),

fits as (
    select * from core.pin_fits
),

timed as (
    select
        scores.snapshot_id,
        scores.underlying,
        scores.captured_at,
        scores.session_date,
        scores.scope_venue,
        scores.expires_at,
        scores.expiry,
        scores.dte,
        scores.pin_score,
        snapshots.market as underlying_group,
        date_diff('second', scores.captured_at, scores.expires_at) / 3600 as lead_hours,
        case
            when date_diff('second', scores.captured_at, scores.expires_at) between 3600 and 6 * 3600 then '1h'
            when date_diff('second', scores.captured_at, scores.expires_at) between 24 * 3600 and 96 * 3600 then '1d'
            when date_diff('second', scores.captured_at, scores.expires_at) between 120 * 3600 and 216 * 3600 then '5d'
        end as horizon,
        coalesce(score_bin_of(scores.pin_score), 0) as score_bin
    from scores
    inner join snapshots on scores.snapshot_id = snapshots.snapshot_id
),

final as (
    select
        timed.* exclude (score_bin),
        case when timed.pin_score is not null then fits.pin_probability_calibrated end as pin_probability_calibrated,
        case
            when timed.pin_score is null then 'no_score'
            when timed.horizon is null then 'no_horizon'
            when fits.pin_probability_calibrated is null then 'few_outcomes'
        end as pin_probability_reason,
        coalesce(fits.outcomes, 0) as outcomes,
        coalesce(fits.pinned_outcomes, 0) as pinned_outcomes,
        fits.fitted_until
    from timed
    asof left join fits
        on timed.underlying_group = fits.underlying_group
        and timed.horizon = fits.horizon
        and timed.score_bin = fits.score_bin
        and timed.captured_at > fits.fitted_until
)

select * from final
