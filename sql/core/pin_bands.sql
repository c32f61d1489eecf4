-- core.pin_bands: how near to max pain, and to its mirror across the forward, a settlement counts as pinned.
-- One row per snapshot_id, scope_venue, expires_at.   Unit: USD.   definitions §10
-- A band reaches as far as the nearer of the two neighbouring listed strikes, in decimals: one strike away is inside. Stored, because
-- outcomes of years read one row of it where the strikes themselves would be hundreds.

with series as (
    select * from core.series where kind = 'expiry'
),

minima as (
    select * from core.pain_minimum
),

smiles as (
    select * from core.scope_smile
),

oi as (
    select * from core.oi_by_strike
),

centres as (
    select
        series.series_id,
        series.snapshot_id,
        series.scope_venue,
        series.is_only_venue,
        series.expires_at,
        minima.max_pain_strike::decimal(18, 6) as max_pain,
        (2 * smiles.forward)::decimal(18, 6) - minima.max_pain_strike::decimal(18, 6) as mirror
    from series
    inner join minima on series.series_id = minima.series_id
    left join smiles
        on series.snapshot_id = smiles.snapshot_id
        and series.scope_venue = smiles.scope_venue
        and series.expires_at = smiles.expires_at
),

strikes as (
    select
        centres.series_id,
        centres.max_pain,
        centres.mirror,
        oi.strike::decimal(18, 6) as strike
    from oi
    inner join centres on oi.series_id = centres.series_id
),

-- the listed strike nearest the mirror, the lower of two
mirrors as (
    select series_id, min({ 'distance': abs(strike - mirror), 'strike': strike }).strike as mirror_strike
    from strikes
    where mirror is not null
    group by series_id
),

neighbours as (
    select
        strikes.series_id,
        max(strikes.strike) filter (strikes.strike < strikes.max_pain) as below,
        min(strikes.strike) filter (strikes.strike > strikes.max_pain) as above,
        max(strikes.strike) filter (strikes.strike < mirrors.mirror_strike) as below_mirror,
        min(strikes.strike) filter (strikes.strike > mirrors.mirror_strike) as above_mirror
    from strikes
    left join mirrors on strikes.series_id = mirrors.series_id
    group by strikes.series_id
),

final as (
    select
        centres.snapshot_id,
        centres.scope_venue,
        centres.is_only_venue,
        centres.expires_at,
        -- at either end the only neighbour counts
        least(centres.max_pain - neighbours.below, neighbours.above - centres.max_pain)::double as strike_gap,
        mirrors.mirror_strike::double as mirror_strike,
        least(mirrors.mirror_strike - neighbours.below_mirror, neighbours.above_mirror - mirrors.mirror_strike)::double
            as mirror_strike_gap
    from centres
    left join neighbours on centres.series_id = neighbours.series_id
    left join mirrors on centres.series_id = mirrors.series_id
)

select * from final
order by snapshot_id, scope_venue, expires_at
