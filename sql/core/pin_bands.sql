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

ladders as (
    select
        series_id,
        strike::decimal(18, 6) as strike,
        -- at either end the only neighbour counts
        least(
            strike::decimal(18, 6) - lag(strike::decimal(18, 6)) over up,
            lead(strike::decimal(18, 6)) over up - strike::decimal(18, 6)
        ) as gap
    from oi
    window up as (partition by series_id order by strike)
),

mirrors as (
    select
        centres.series_id,
        ladders.strike,
        ladders.gap
    from centres
    inner join ladders on centres.series_id = ladders.series_id
    where centres.mirror is not null
    qualify row_number() over (
        partition by centres.series_id order by abs(ladders.strike - centres.mirror), ladders.strike
    ) = 1
),

final as (
    select
        centres.snapshot_id,
        centres.scope_venue,
        centres.is_only_venue,
        centres.expires_at,
        ladders.gap::double as strike_gap,
        mirrors.strike::double as mirror_strike,
        mirrors.gap::double as mirror_strike_gap
    from centres
    left join ladders on centres.series_id = ladders.series_id and centres.max_pain = ladders.strike
    left join mirrors on centres.series_id = mirrors.series_id
)

select * from final
order by snapshot_id, scope_venue, expires_at
