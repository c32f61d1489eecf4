-- severity: advisory
-- scope: snapshot-venue
-- needs: snapshot
-- why: the median difference between our gamma and the venue's, near the money, is over a tenth: forward, volatility or time is off.

with greeks as (
    select * from core.option_greeks
),

quotes as (
    select * from core.option_quotes
),

near_the_money as (
    select
        quotes.snapshot_id,
        quotes.venue,
        abs(greeks.gamma / quotes.venue_gamma - 1) as difference
    from quotes
    inner join greeks
        on quotes.snapshot_id = greeks.snapshot_id and quotes.venue = greeks.venue and quotes.instrument = greeks.instrument
    -- venues round gamma to four decimals: compare where that is a twentieth at most, in units of spot
    where
        quotes.venue_gamma >= greatest(0.001, 7.5 / quotes.strike)
        and quotes.expires_at > quotes.quoted_at + interval 1 day
        -- in the money we take the volatility of the other side, as the venue does not
        and case when quotes.option_type = 'C' then quotes.strike >= greeks.forward else quotes.strike < greeks.forward end
)

select snapshot_id, venue, median(difference) as median_difference, count(*) as contracts
from near_the_money
group by snapshot_id, venue
having median(difference) > 0.10
order by snapshot_id, venue
