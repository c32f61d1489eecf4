-- core.pin_score: how much speaks for settlement at max pain, 0 to 100, with its parts; and how max pain stands to walls and gamma flip.
-- One row per series_id (each expiry, and the pool of all).   Unit: USD; parts 0 to 100.   definitions §9 (pin_v1, alignment)
-- Of an expiry its own walls and flip; of the pool those of the chain, and time, move and straddle of the front live expiry.
-- A score, not a probability.
-- transient: marts.pin_score and marts.max_pain_pooled publish it

with series as (
    select * from core.series
),

minima as (
    select * from core.pain_minimum
),

oi as (
    select * from core.oi_by_strike
),

heatmap as (
    select * from marts.gex_heatmap
),

profile as (
    select * from core.gex_profile where scope_expiry = 'all'
),

smiles as (
    select * from core.scope_smile
),

walls as (
    select * from core.walls where scope_expiry in ('all', 'expiry')
),

flips as (
    select * from core.gamma_flip
),

scopes as (
    select * from core.scopes
),

parameters as (
    select * from core.parameters
),

largest as (
    select series_id, list_sum(max(coalesce(net_of(call_oi, put_oi), 0), 3)) as oi_of_three
    from oi
    group by series_id
),

fronts as (
    select snapshot_id, scope_venue, min(expires_at) as expires_at
    from series
    where kind = 'expiry'
    group by snapshot_id, scope_venue
),

-- which expiry tells the time, and which profile the walls and the flip
located as (
    select
        series.series_id,
        series.snapshot_id,
        series.scope_venue,
        series.kind,
        coalesce(series.expires_at, fronts.expires_at) as time_expires_at,
        case when series.kind = 'pooled' then 'all' else 'expiry' end as walls_of,
        series.expires_at,
        case when series.kind = 'pooled' then 'all' else name_of_expiry(series.expires_at) end as flip_of
    from series
    inner join fronts on series.snapshot_id = fronts.snapshot_id and series.scope_venue = fronts.scope_venue
),

strikes as (
    select snapshot_id, scope_venue, expires_at, strike, abs_gex_usd_1pct, call_oi_contracts, put_oi_contracts from heatmap
    union all
    select snapshot_id, scope_venue, null as expires_at, strike, abs_gex_usd_1pct, call_oi_contracts, put_oi_contracts from profile
),

gammas as (
    select
        located.series_id,
        coalesce(exact_sum(net_of(strikes.call_oi_contracts, strikes.put_oi_contracts)), 0) as total_contracts,
        max(strikes.abs_gex_usd_1pct)::double as largest_gex,
        max(case when strikes.strike = minima.max_pain_strike then strikes.abs_gex_usd_1pct end)::double as gex_at_max_pain
    from located
    inner join strikes
        on located.snapshot_id = strikes.snapshot_id
        and located.scope_venue = strikes.scope_venue
        and located.expires_at is not distinct from strikes.expires_at
    inner join minima on located.series_id = minima.series_id
    group by located.series_id
),

measured as (
    select
        located.series_id,
        located.kind,
        scopes.market,
        minima.spot,
        minima.max_pain_strike,
        minima.distance_abs,
        minima.total_oi,
        gammas.total_contracts,
        front.dte as days_whole,
        smiles.tau * 365 as days_to_settlement,
        smiles.straddle,
        smiles.expected_move_1sd,
        least(smiles.expected_move_1sd, minima.spot * smiles.atm_iv * sqrt(7 / 365)) as pin_move,
        100 * largest.oi_of_three / nullif(minima.total_oi, 0) as oi_part,
        100 * gammas.gex_at_max_pain / nullif(gammas.largest_gex, 0) as gamma_part,
        walls.call_wall,
        walls.put_wall,
        flips.gamma_flip,
        flips.gamma_flip_status
    from located
    inner join scopes on located.snapshot_id = scopes.snapshot_id and located.scope_venue = scopes.scope_venue
    inner join minima on located.series_id = minima.series_id
    inner join series as front
        on located.snapshot_id = front.snapshot_id
        and located.scope_venue = front.scope_venue
        and located.time_expires_at = front.expires_at
    left join largest on located.series_id = largest.series_id
    left join gammas on located.series_id = gammas.series_id
    left join smiles
        on located.snapshot_id = smiles.snapshot_id
        and located.scope_venue = smiles.scope_venue
        and located.time_expires_at = smiles.expires_at
    left join walls
        on located.snapshot_id = walls.snapshot_id
        and located.scope_venue = walls.scope_venue
        and located.walls_of = walls.scope_expiry
        and located.expires_at is not distinct from walls.expires_at
    left join flips
        on located.snapshot_id = flips.snapshot_id
        and located.scope_venue = flips.scope_venue
        and located.flip_of = flips.scope_expiry
),

parts as (
    select
        measured.*,
        100 * exp(-distance_abs / nullif(pin_move, 0)) as proximity_part,
        100 * exp(-days_to_settlement / 7) as time_part,
        0.30::double * oi_part + 0.25::double * proximity_part + 0.25::double * time_part + 0.20::double * gamma_part as weighted,
        least(call_wall, put_wall) as lower_wall,
        greatest(call_wall, put_wall) as upper_wall,
        abs(max_pain_strike - gamma_flip) as max_pain_to_flip,
        case
            when days_whole > 35 then 'too_far'
            when market = 'us' and total_contracts < parameters.thin_contracts then 'thin'
            when market = 'crypto' and coalesce(total_oi, 0) < parameters.thin_coins then 'thin'
            when weighted is null then 'missing_part'
        end as pin_score_reason
    from measured
    cross join parameters
),

judged as (
    select
        parts.*,
        case
            when max_pain_strike is null or gamma_flip is null or call_wall is null or put_wall is null then 'unknown'
            when not max_pain_strike between lower_wall and upper_wall then 'diverging'
            when max_pain_to_flip <= 0.005 * spot then 'converging'
            else 'moderate'
        end as alignment
    from parts
),

final as (
    select
        series_id,
        case when pin_score_reason is null then floor(significant(weighted) + 0.5)::integer end as pin_score,
        pin_score_reason,
        significant(oi_part) as oi_part,
        significant(proximity_part) as proximity_part,
        significant(time_part) as time_part,
        significant(gamma_part) as gamma_part,
        'pin_v1' as pin_formula,
        spot,
        max_pain_strike,
        distance_abs,
        expected_move_1sd,
        straddle,
        distance_abs <= straddle as max_pain_within_expected_range,
        significant(days_to_settlement) as days_to_settlement,
        call_wall,
        put_wall,
        gamma_flip,
        gamma_flip_status,
        significant(max_pain_to_flip) as max_pain_to_flip,
        alignment,
        case alignment
            when 'diverging' then format(
                'Max pain {:.2f} lies outside the walls {:.2f} and {:.2f}.', max_pain_strike, lower_wall, upper_wall
            )
            when 'unknown' then 'Not to be told: ' || concat_ws(
                ', ',
                case when max_pain_strike is null then 'no max pain (no open interest)' end,
                case when call_wall is null then 'no call wall' end,
                case when put_wall is null then 'no put wall' end,
                case when gamma_flip is null then 'no gamma flip (' || coalesce(gamma_flip_status, 'no expiry') || ')' end
            ) || '.'
            else format(
                'Max pain {:.2f} lies between the walls {:.2f} and {:.2f}, {:.2f} ({:.2f} % of spot) from the gamma flip {:.2f}: {}.',
                max_pain_strike, lower_wall, upper_wall, max_pain_to_flip, 100 * max_pain_to_flip / spot, gamma_flip,
                case alignment when 'converging' then 'near' else 'not near' end
            )
        end as description
    from judged
)

select * from final
