-- core.gamma_comparison: our gamma beside the venue's, for contracts near the money that settle in more than a day.
-- One row per snapshot_id, venue, instrument.   Unit: 1/USD; difference as a share of the venue's.   definitions §3
-- A venue that publishes no gamma (Deribit) is taken at its word otherwise: Black-76 on the contract's own mark IV and forward.
-- view: not stored, because its rows are; a check and the run report look at it

with contracts as (
    select * from core.live_contracts
),

venues as (
    select * from core.snapshot_venues
),

candidates as (
    select
        contracts.snapshot_id,
        contracts.venue,
        contracts.instrument,
        contracts.expires_at,
        contracts.strike,
        contracts.option_type,
        contracts.gamma,
        contracts.venue_gamma,
        venues.market,
        contracts.venue_gamma * contracts.strike >= 7.5 as is_steep,
        abs(ln(contracts.strike / contracts.forward)) <= contracts.iv * sqrt(contracts.tau) as is_within_deviation,
        contracts.venue_forward,
        contracts.venue_iv * sqrt(contracts.tau) as deviation,
        venues.spot
    from contracts
    inner join venues on contracts.snapshot_id = venues.snapshot_id and contracts.venue = venues.venue
    where
        contracts.tau > 1.0 / 365
        -- in the money we take the volatility of the other side, as the venue does not
        and case when contracts.option_type = 'C' then contracts.strike >= contracts.forward else contracts.strike < contracts.forward end
),

judged as (
    select
        snapshot_id,
        venue,
        count(venue_gamma) > 0 as has_venue_gamma,
        bool_or(is_steep) as has_steep
    from candidates
    group by snapshot_id, venue
),

near_the_money as (
    select candidates.*, judged.has_venue_gamma
    from candidates
    inner join judged on candidates.snapshot_id = judged.snapshot_id and candidates.venue = judged.venue
    where
        case
            when candidates.market <> 'us' then candidates.is_within_deviation
            -- Cboe rounds gamma to four decimals: below 0.001 that alone is a twentieth. Indices and their funds have strikes where
            -- gamma is 7.5 in units of spot; stocks move too much for that
            else
                candidates.venue_gamma >= 0.001
                and case when judged.has_steep then candidates.is_steep else candidates.is_within_deviation end
        end
),

compared as (
    select
        snapshot_id,
        venue,
        instrument,
        expires_at,
        strike,
        option_type,
        gamma,
        case when has_venue_gamma then 'gamma' else 'mark_iv' end as compared_with,
        ln(venue_forward / strike) / deviation + deviation / 2 as d1,
        exp(-d1 * d1 / 2) / sqrt(2 * pi()) * venue_forward / (spot * spot * deviation) as gamma_of_mark_iv,
        case when has_venue_gamma then venue_gamma else gamma_of_mark_iv end as theirs,
        abs(gamma / theirs - 1) as difference
    from near_the_money
),

final as (
    select * exclude (d1, gamma_of_mark_iv) from compared where difference is not null
)

select * from final
