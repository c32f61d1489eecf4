-- core.pain_shape: how deep and how lopsided the pain curve of each expiry is around its minimum.
-- One row per series_id that is an expiry.   Unit: USD, percent of spot.   definitions §4 (shape)
-- The curve is a line between neighbouring strikes and beyond the outer ones, so pain is known at every settlement price.
-- shape_reason says why there is no shape: no_open_interest, zero_minimum, no_iv, thin (then only the word is left out).
-- transient: marts.max_pain publishes it

with pain as (
    select * from core.pain
),

minima as (
    select * from core.pain_minimum
),

series as (
    select * from core.series where kind = 'expiry'
),

scopes as (
    select * from core.scopes
),

smiles as (
    select * from core.scope_smile
),

parameters as (
    select * from core.parameters
),

contracts as (
    select
        snapshot_id,
        scope_venue,
        expires_at,
        coalesce(exact_sum(net_of(call_oi_contracts, put_oi_contracts)), 0) as total_contracts
    from marts.gex_heatmap
    group by snapshot_id, scope_venue, expires_at
),

measured as (
    select
        series.series_id,
        scopes.market,
        scopes.spot,
        contracts.total_contracts,
        minima.total_oi,
        minima.max_pain_strike,
        minima.max_pain_usd,
        scopes.spot * smiles.atm_iv * sqrt(least(smiles.tau, 30 / 365)) as move
    from series
    inner join scopes on series.snapshot_id = scopes.snapshot_id and series.scope_venue = scopes.scope_venue
    inner join minima on series.series_id = minima.series_id
    inner join contracts
        on series.snapshot_id = contracts.snapshot_id
        and series.scope_venue = contracts.scope_venue
        and series.expires_at = contracts.expires_at
    left join smiles
        on series.snapshot_id = smiles.snapshot_id
        and series.scope_venue = smiles.scope_venue
        and series.expires_at = smiles.expires_at
),

curves as (
    select
        pain.*,
        measured.max_pain_strike,
        measured.max_pain_strike - measured.move as left_price,
        measured.max_pain_strike + measured.move as right_price,
        1.02 * measured.max_pain_usd as flat_pain_usd,
        lag(pain.strike) over up as strike_below,
        lag(pain.total_pain_usd) over up as pain_below,
        lead(pain.strike) over up as strike_above,
        lead(pain.total_pain_usd) over up as pain_above
    from pain
    inner join measured on pain.series_id = measured.series_id
    where measured.max_pain_usd > 0
    window up as (partition by pain.series_id order by pain.strike)
),

-- pain at a price beyond a strike: as many calls as lie below pay more, as many puts as lie above pay less
lines as (
    select
        *,
        total_pain_usd + (left_price - strike) * slope_above as pain_at_left,
        total_pain_usd + (right_price - strike) * slope_above as pain_at_right,
        strike + (total_pain_usd - flat_pain_usd) / (total_pain_usd - pain_above) * (strike_above - strike) as flat_from,
        strike - (total_pain_usd - flat_pain_usd) / (total_pain_usd - pain_below) * (strike - strike_below) as flat_to
    from curves
),

ends as (
    select
        series_id,
        coalesce(
            max_by(pain_at_left, strike) filter (strike <= left_price),
            min_by(total_pain_usd + (left_price - strike) * slope_below, strike)
        ) as pain_at_left,
        coalesce(
            max_by(pain_at_right, strike) filter (strike <= right_price),
            min_by(total_pain_usd + (right_price - strike) * slope_below, strike)
        ) as pain_at_right,
        coalesce(
            max_by(flat_from, strike) filter (strike < max_pain_strike and total_pain_usd > flat_pain_usd),
            min_by(strike + (flat_pain_usd - total_pain_usd) / slope_below, strike)
        ) as flat_from,
        coalesce(
            min_by(flat_to, strike) filter (strike > max_pain_strike and total_pain_usd > flat_pain_usd),
            max_by(strike + (flat_pain_usd - total_pain_usd) / slope_above, strike)
        ) as flat_to
    from lines
    group by series_id
),

shaped as (
    select
        measured.*,
        100 * measured.move / measured.spot as shape_move_pct,
        1 - measured.max_pain_usd / ((ends.pain_at_left + ends.pain_at_right) / 2) as depth,
        100 * (ends.flat_to - ends.flat_from) / measured.spot as flat_width_pct,
        (ends.pain_at_left - measured.max_pain_usd) / shape_move_pct as left_slope_usd_1pct,
        (ends.pain_at_right - measured.max_pain_usd) / shape_move_pct as right_slope_usd_1pct,
        (right_slope_usd_1pct - left_slope_usd_1pct) / nullif(right_slope_usd_1pct + left_slope_usd_1pct, 0) as asymmetry
    from measured
    left join ends on measured.series_id = ends.series_id
),

final as (
    select
        shaped.series_id,
        shaped.shape_move_pct,
        shaped.depth,
        shaped.flat_width_pct,
        shaped.left_slope_usd_1pct,
        shaped.right_slope_usd_1pct,
        shaped.asymmetry,
        case
            when shaped.max_pain_strike is null then 'no_open_interest'
            when shaped.max_pain_usd = 0 then 'zero_minimum'
            when shaped.depth is null then 'no_iv'
            when shaped.market = 'us' and shaped.total_contracts < parameters.thin_contracts then 'thin'
            when shaped.market = 'crypto' and shaped.total_oi < parameters.thin_coins then 'thin'
        end as shape_reason,
        case
            when shape_reason is not null then null
            when shaped.flat_width_pct >= shaped.shape_move_pct or shaped.depth < parameters.flat_depth then 'flat'
            when shaped.asymmetry >= parameters.skewed_asymmetry then 'skewed_down'
            when shaped.asymmetry <= -parameters.skewed_asymmetry then 'skewed_up'
            when shaped.depth >= parameters.v_depth and shaped.flat_width_pct <= shaped.shape_move_pct / 3 then 'v'
            else 'u'
        end as shape
    from shaped
    cross join parameters
)

select * from final
