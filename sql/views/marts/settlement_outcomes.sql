-- marts.settlement_outcomes: whether options settled at the max pain that was seen one hour, one day and five days before.
-- One row per underlying, expires_at, horizon.   Unit: USD, percent, hours; probabilities 0 to 1.   definitions §10
-- Seen is the last snapshot with a lead inside the horizon, all its venues together; without one there is no row. Prices are compared as
-- decimals, so that a settlement exactly one strike away counts. A hit alone says little: baseline_prob is what chance gives.
-- A view: it follows the snapshots and prices that there are, in whatever order they were loaded.

with settled as (
    select * from core.settlement_prices
),

minima as (
    select * from marts.max_pain where scope_venue = 'all'
),

scores as (
    select * from marts.pin_score where scope_venue = 'all'
),

summaries as (
    select * from marts.expiry_summary where scope_venue = 'all'
),

bands as (
    select * from core.pin_bands where scope_venue = 'all'
),

snapshots as (
    select * from core.snapshots
),

horizons as (
    select '1h' as horizon, 1 as least_hours, 6 as most_hours
    union all
    select '1d' as horizon, 24 as least_hours, 96 as most_hours
    union all
    select '5d' as horizon, 120 as least_hours, 216 as most_hours
),

seen as (
    select
        minima.underlying,
        minima.expires_at,
        horizons.horizon,
        minima.expiry,
        minima.snapshot_id,
        minima.captured_at,
        date_diff('second', minima.captured_at, minima.expires_at) as lead_seconds,
        minima.spot,
        minima.distance_pct,
        minima.max_pain_strike::decimal(18, 6) as max_pain,
        settled.settlement_price::decimal(18, 6) as settlement,
        settled.source as settlement_source
    from settled
    inner join minima on settled.underlying = minima.underlying and settled.expires_at = minima.expires_at
    inner join horizons
        on date_diff('second', minima.captured_at, minima.expires_at)
        between 3600 * horizons.least_hours and 3600 * horizons.most_hours
    qualify row_number() over (
        partition by minima.underlying, minima.expires_at, horizons.horizon order by minima.captured_at desc, minima.snapshot_id
    ) = 1
),

described as (
    select
        seen.*,
        snapshots.market,
        scores.pin_score,
        summaries.forward,
        summaries.atm_iv,
        summaries.tau,
        summaries.atm_iv * sqrt(summaries.tau) as deviation,
        bands.strike_gap::decimal(18, 6) as gap,
        bands.mirror_strike,
        bands.mirror_strike::decimal(18, 6) as mirror,
        bands.mirror_strike_gap::decimal(18, 6) as mirror_gap
    from seen
    inner join snapshots on seen.snapshot_id = snapshots.snapshot_id
    inner join scores on seen.snapshot_id = scores.snapshot_id and seen.expires_at = scores.expires_at
    inner join summaries on seen.snapshot_id = summaries.snapshot_id and seen.expires_at = summaries.expires_at
    inner join bands on seen.snapshot_id = bands.snapshot_id and seen.expires_at = bands.expires_at
),

tested as (
    select
        *,
        abs(settlement - max_pain) as away,
        abs(settlement - max_pain) <= gap as pinned,
        abs(settlement - max_pain) * 200 <= settlement as pinned_half_pct,
        abs(settlement - mirror) <= mirror_gap as mirror_pinned,
        -- the bands as deviations: within a strike, and within 0.5 % of the price itself; null where a band reaches below 0
        lognormal_deviation((max_pain - gap)::double, forward, deviation) as low,
        lognormal_deviation((max_pain + gap)::double, forward, deviation) as high,
        lognormal_deviation(max_pain::double / 1.005, forward, deviation) as half_pct_low,
        lognormal_deviation(max_pain::double / 0.995, forward, deviation) as half_pct_high
    from described
),

-- columns of their own: the distribution function is a long expression, and would be as long again for each part of its argument
chances as (
    select
        *,
        case when gap >= max_pain then 0 else normal_cdf(low) end as below_low,
        normal_cdf(high) as below_high,
        normal_cdf(half_pct_low) as below_half_pct_low,
        normal_cdf(half_pct_high) as below_half_pct_high
    from tested
),

final as (
    select
        underlying,
        expires_at,
        horizon,
        market,
        expiry,
        snapshot_id as observed_snapshot_id,
        captured_at as observed_at,
        lead_seconds / 3600 as lead_hours,
        settlement::double as settlement_price,
        settlement_source,
        spot,
        forward,
        atm_iv,
        tau,
        max_pain::double as max_pain_strike,
        gap::double as strike_gap,
        pin_score,
        distance_pct,
        away::double as settlement_distance_abs,
        significant(100 * away::double / settlement::double) as settlement_distance_pct,
        pinned,
        pinned_half_pct,
        significant(abs(below_high - below_low)) as baseline_prob,
        significant(abs(below_half_pct_high - below_half_pct_low)) as baseline_half_pct_prob,
        mirror_strike,
        mirror_pinned
    from chances
)

select * from final
