-- probability_between: the probability that each expiry settles above `low` and at most at `high`, by its implied density.
-- One row per venue, book, expires_at of the snapshot that expiry_summary picks for the same arguments; no low is 0, no high is infinity.
-- Null with the reason where an expiry has no density.   definitions §7 (density)
-- Macro arguments are bare names here; columns are always qualified.

with summary as (
    select asked.*
    from main.expiry_summary(
        underlying,
        as_of := as_of,
        venues := venues,
        expiry := expiry,
        expires_at := expires_at,
        dte_min := dte_min,
        dte_max := dte_max,
        complete_only := complete_only
    ) as asked
),

expiries as (
    select
        summary.snapshot_id,
        summary.underlying,
        summary.captured_at,
        summary.session_date,
        smile.venue,
        smile.book,
        summary.expires_at,
        summary.expiry,
        summary.dte,
        smile.density_reason
    from summary
    inner join core.expiry_smile as smile
        on summary.snapshot_id = smile.snapshot_id
        and summary.expires_at = smile.expires_at
        and (summary.scope_venue = 'all' or list_contains(string_split(summary.scope_venue, '+'), smile.venue))
),

-- deviations of each kernel between its middle and either level
kernels as (
    select
        density.snapshot_id,
        density.venue,
        density.book,
        density.expires_at,
        density.weight,
        density.kernel,
        case
            when high is null then 'infinity'::double
            when high > 0 then (ln(high / density.mean) + density.width * density.width / 2) / density.width
            else '-infinity'::double
        end as upper_z,
        case
            when low > 0 then (ln(low / density.mean) + density.width * density.width / 2) / density.width
            else '-infinity'::double
        end as lower_z
    from core.implied_density as density
    where density.snapshot_id in (select summary.snapshot_id from summary)
),

-- of both tails the smaller is used, so that a small probability far out keeps its digits
probabilities as (
    select
        kernels.snapshot_id,
        kernels.venue,
        kernels.book,
        kernels.expires_at,
        list_sum(
            list(
                kernels.weight
                * case
                    when kernels.lower_z > 0 then normal_cdf(-kernels.lower_z) - normal_cdf(-kernels.upper_z)
                    else normal_cdf(kernels.upper_z) - normal_cdf(kernels.lower_z)
                end
                order by kernels.kernel
            )
        ) as probability
    from kernels
    group by kernels.snapshot_id, kernels.venue, kernels.book, kernels.expires_at
),

result as (
    select
        expiries.snapshot_id,
        expiries.underlying,
        expiries.captured_at,
        expiries.session_date,
        expiries.venue,
        expiries.book,
        expiries.expires_at,
        expiries.expiry,
        expiries.dte,
        coalesce(low, 0)::double as low,
        coalesce(high, 'infinity'::double)::double as high,
        -- weights are rounded, so their sum may be a last bit above 1
        case
            when probabilities.probability is null then null
            when high < low or probabilities.probability < 0 then 0
            when probabilities.probability > 1 then 1
            else probabilities.probability
        end as probability,
        expiries.density_reason
    from expiries
    left join probabilities
        on expiries.snapshot_id = probabilities.snapshot_id
        and expiries.venue = probabilities.venue
        and expiries.book = probabilities.book
        and expiries.expires_at = probabilities.expires_at
)

select result.* from result
order by result.venue, result.book, result.expires_at
