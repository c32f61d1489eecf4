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

curves as (
    select * from marts.pain_curve where scope_venue = 'all'
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
        (2 * summaries.forward)::decimal(18, 6) - seen.max_pain as mirror_target
    from seen
    inner join snapshots on seen.snapshot_id = snapshots.snapshot_id
    inner join scores on seen.snapshot_id = scores.snapshot_id and seen.expires_at = scores.expires_at
    inner join summaries on seen.snapshot_id = summaries.snapshot_id and seen.expires_at = summaries.expires_at
),

ladders as (
    select
        seen.snapshot_id,
        seen.expires_at,
        curves.strike::decimal(18, 6) as strike,
        least(
            curves.strike::decimal(18, 6) - lag(curves.strike::decimal(18, 6)) over up,
            lead(curves.strike::decimal(18, 6)) over up - curves.strike::decimal(18, 6)
        ) as gap
    from seen
    inner join curves on seen.snapshot_id = curves.snapshot_id and seen.expires_at = curves.expires_at
    window up as (partition by seen.snapshot_id, seen.expires_at order by curves.strike)
),

mirrors as (
    select
        described.snapshot_id,
        described.expires_at,
        ladders.strike as mirror_strike,
        ladders.gap as mirror_gap
    from described
    inner join ladders on described.snapshot_id = ladders.snapshot_id and described.expires_at = ladders.expires_at
    where described.mirror_target is not null
    qualify row_number() over (
        partition by described.snapshot_id, described.expires_at
        order by abs(ladders.strike - described.mirror_target), ladders.strike
    ) = 1
),

tested as (
    select
        described.*,
        ladders.gap,
        mirrors.mirror_strike,
        abs(described.settlement - described.max_pain) as away,
        abs(described.settlement - described.max_pain) <= ladders.gap as pinned,
        abs(described.settlement - described.max_pain) * 200 <= described.settlement as pinned_half_pct,
        abs(described.settlement - mirrors.mirror_strike) <= mirrors.mirror_gap as mirror_pinned,
        -- the bands as prices: within a strike, and within 0.5 % of the price itself
        (described.max_pain - ladders.gap)::double as lower_price,
        (described.max_pain + ladders.gap)::double as upper_price,
        described.max_pain::double / 1.005 as half_pct_lower_price,
        described.max_pain::double / 0.995 as half_pct_upper_price
    from described
    left join ladders
        on described.snapshot_id = ladders.snapshot_id
        and described.expires_at = ladders.expires_at
        and described.max_pain = ladders.strike
    left join mirrors on described.snapshot_id = mirrors.snapshot_id and described.expires_at = mirrors.expires_at
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
        significant(lognormal_between(lower_price, upper_price, forward, deviation)) as baseline_prob,
        significant(lognormal_between(half_pct_lower_price, half_pct_upper_price, forward, deviation)) as baseline_half_pct_prob,
        mirror_strike::double as mirror_strike,
        mirror_pinned
    from tested
)

select * from final
