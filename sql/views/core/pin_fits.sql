-- core.pin_fits: what pin scores had come to by each settlement: the probability of a pin by score, fitted on the outcomes up to there.
-- One row per underlying_group, horizon, fitted_until, score_bin.   Probabilities 0 to 1.   definitions §10
-- Isotonic regression over the bins, in closed form: of bin i the largest, over first bins a ≤ i, of the smallest, over last bins b ≥ i, of
-- the mean of a … b (Robertson, Wright, Dykstra 1988, §1.4). Each bin holds one further observation at the base rate, so that a bin
-- without outcomes has a value and a bin with few is never 0 or 1.
-- A view: it follows the outcomes that there are. No fit knows an outcome after its fitted_until.

with outcomes as (
    select
        market as underlying_group,
        horizon,
        expires_at,
        score_bin_of(pin_score) as score_bin,
        count(*) as bin_outcomes,
        count_if(pinned) as bin_pinned
    from marts.settlement_outcomes
    where pin_score is not null and pinned is not null
    group by market, horizon, expires_at, score_bin_of(pin_score)
),

rules as (
    select 200 as least_outcomes  -- with fewer, a frequency of 30 % is uncertain by more than 6 points either way
),

bins as (
    select (unnest(range(10)) * 10)::integer as score_bin
),

settlements as (
    select distinct underlying_group, horizon, expires_at
    from outcomes
),

counted as (
    select
        settlements.underlying_group,
        settlements.horizon,
        settlements.expires_at,
        bins.score_bin,
        (sum(coalesce(outcomes.bin_outcomes, 0)) over until_here)::bigint as bin_outcomes,
        (sum(coalesce(outcomes.bin_pinned, 0)) over until_here)::bigint as bin_pinned
    from settlements
    cross join bins
    left join outcomes
        on settlements.underlying_group = outcomes.underlying_group
        and settlements.horizon = outcomes.horizon
        and settlements.expires_at = outcomes.expires_at
        and bins.score_bin = outcomes.score_bin
    window until_here as (
        partition by settlements.underlying_group, settlements.horizon, bins.score_bin
        order by settlements.expires_at
        rows unbounded preceding
    )
),

totals as (
    select
        *,
        (sum(bin_outcomes) over whole_fit)::bigint as outcomes,
        (sum(bin_pinned) over whole_fit)::bigint as pinned_outcomes,
        (sum(bin_outcomes) over up_to_here)::bigint as outcomes_to,
        (sum(bin_pinned) over up_to_here)::bigint as pinned_to
    from counted
    window
        whole_fit as (partition by underlying_group, horizon, expires_at),
        up_to_here as (partition by underlying_group, horizon, expires_at order by score_bin rows unbounded preceding)
),

-- means over each run of bins, first to last
runs as (
    select
        firsts.underlying_group,
        firsts.horizon,
        firsts.expires_at,
        firsts.score_bin as first_bin,
        lasts.score_bin as last_bin,
        (
            lasts.pinned_to - firsts.pinned_to + firsts.bin_pinned
            + ((lasts.score_bin - firsts.score_bin) / 10 + 1) * (firsts.pinned_outcomes / firsts.outcomes)
        ) / (lasts.outcomes_to - firsts.outcomes_to + firsts.bin_outcomes + (lasts.score_bin - firsts.score_bin) / 10 + 1) as mean_pinned
    from totals as firsts
    inner join totals as lasts
        on firsts.underlying_group = lasts.underlying_group
        and firsts.horizon = lasts.horizon
        and firsts.expires_at = lasts.expires_at
        and firsts.score_bin <= lasts.score_bin
    cross join rules
    where firsts.outcomes >= rules.least_outcomes
),

smallest as (
    select
        underlying_group,
        horizon,
        expires_at,
        first_bin,
        last_bin as score_bin,
        min(mean_pinned) over (
            partition by underlying_group, horizon, expires_at, first_bin order by last_bin desc rows unbounded preceding
        ) as mean_pinned
    from runs
),

fitted as (
    select
        underlying_group,
        horizon,
        expires_at,
        score_bin,
        max(mean_pinned) as probability
    from smallest
    group by underlying_group, horizon, expires_at, score_bin
),

final as (
    select
        totals.underlying_group,
        totals.horizon,
        totals.expires_at as fitted_until,
        totals.score_bin,
        totals.outcomes,
        totals.pinned_outcomes,
        totals.bin_outcomes,
        totals.bin_pinned,
        significant(fitted.probability) as pin_probability_calibrated
    from totals
    left join fitted
        on totals.underlying_group = fitted.underlying_group
        and totals.horizon = fitted.horizon
        and totals.expires_at = fitted.expires_at
        and totals.score_bin = fitted.score_bin
)

select * from final
