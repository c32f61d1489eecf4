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

with_gamma as (
    select
        contracts.*,
        venues.market,
        count(contracts.venue_gamma) over (partition by contracts.snapshot_id, contracts.venue) > 0 as has_venue_gamma,
        contracts.venue_iv * sqrt(contracts.tau) as deviation,
        ln(contracts.venue_forward / contracts.strike) / deviation + deviation / 2 as d1,
        exp(-d1 * d1 / 2) / sqrt(2 * pi()) * contracts.venue_forward / (venues.spot * venues.spot * deviation) as implied_gamma
    from contracts
    inner join venues on contracts.snapshot_id = venues.snapshot_id and contracts.venue = venues.venue
),

near_the_money as (
    select *
    from with_gamma
    where
        tau > 1.0 / 365
        -- in the money we take the volatility of the other side, as the venue does not
        and case when option_type = 'C' then strike >= forward else strike < forward end
        and case
            -- Cboe rounds gamma to four decimals: compare where that is a twentieth at most, in units of spot
            when market = 'us' then venue_gamma >= greatest(0.001, 7.5 / strike)
            else abs(ln(strike / forward)) <= iv * sqrt(tau)
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
        case when has_venue_gamma then venue_gamma else implied_gamma end as theirs,
        abs(gamma / theirs - 1) as difference
    from near_the_money
),

final as (
    select * from compared where difference is not null
)

select * from final
