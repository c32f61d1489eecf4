-- marts.pin_calibration: what came of pin scores, and how much better than chance the calibrated probability foretold it.
-- One row per underlying_group, horizon, score_bin.   Unit: percent, probabilities 0 to 1.   definitions §10
-- One observation per outcome (underlying, expires_at, horizon). brier and log_loss are of pin_probability_calibrated as it was known when
-- the outcome was seen, compared_baseline_… of chance over the same outcomes, baseline_… of chance over all.
-- A view: it follows the outcomes that there are.

with outcomes as (
    select
        *,
        score_bin_of(pin_score) as score_bin
    from marts.settlement_outcomes
    where pin_score is not null and pinned is not null
),

fits as (
    select * from core.pin_fits where pin_probability_calibrated is not null
),

foretold as (
    select
        outcomes.*,
        fits.pin_probability_calibrated as calibrated,
        unnest(['all', outcomes.market, outcomes.underlying]) as underlying_group
    from outcomes
    asof left join fits
        on outcomes.market = fits.underlying_group
        and outcomes.horizon = fits.horizon
        and outcomes.score_bin = fits.score_bin
        and outcomes.observed_at > fits.fitted_until
),

final as (
    select
        underlying_group,
        horizon,
        score_bin,
        count(*) as n,
        count(distinct expires_at) as settlements,
        exact_mean(pin_score) as mean_score,
        100 * exact_mean(pinned::integer) as pinned_pct,
        100 * exact_mean(mirror_pinned::integer) as mirror_pinned_pct,
        exact_mean(baseline_prob) as mean_baseline_prob,
        exact_mean((baseline_prob - pinned::integer) ** 2) as baseline_brier,
        exact_mean(log_loss_of(baseline_prob, pinned)) as baseline_log_loss,
        count(calibrated) as n_calibrated,
        exact_mean(calibrated) as mean_probability_calibrated,
        exact_mean((calibrated - pinned::integer) ** 2) as brier,
        exact_mean(log_loss_of(calibrated, pinned)) as log_loss,
        exact_mean(case when calibrated is not null then (baseline_prob - pinned::integer) ** 2 end) as compared_baseline_brier,
        exact_mean(case when calibrated is not null then log_loss_of(baseline_prob, pinned) end) as compared_baseline_log_loss
    from foretold
    group by underlying_group, horizon, score_bin
)

select * from final
