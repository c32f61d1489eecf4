-- backquant_chain: the live contracts of a snapshot, venues, books and settlement instants of one date folded into one row.
-- One row per expiry, strike, option_type.   Arguments: snapshot_id, venues.   definitions §1, §3, §7
-- Unit: USD per unit of the underlying; iv a fraction; vega and vanna per 1.00 of volatility, theta per day, charm per year; gex in USD
-- per 1 % move, an exact sum; open interest and volume in units of the underlying and in contracts.
-- iv is one per strike: the mean over venues and books, weighted by the strike's open interest, at the instant with the most open interest
-- that quotes it. Greeks are means weighted by the contract's own. Quotes are Deribit's where it lists the contract, else those of the
-- instant that speaks for the date, there of the largest. Volume is null unless everyone reports it.

with contracts as (
    select
        quotes.*,
        greeks.* exclude (snapshot_id, venue, instrument),
        concat_ws('/', quotes.venue, quotes.book, quotes.instrument) as place,
        concat_ws('/', quotes.venue, quotes.book, quotes.root) as line
    from core.option_quotes as quotes
    inner join core.option_greeks as greeks
        on quotes.snapshot_id = greeks.snapshot_id and quotes.venue = greeks.venue and quotes.instrument = greeks.instrument
    where quotes.snapshot_id = $snapshot_id and list_contains($venues::varchar[], quotes.venue)
),

instants as (
    select
        expiry,
        expires_at,
        row_number() over (partition by expiry order by coalesce(exact_sum(oi_base), 0) desc, expires_at desc) as instant_place
    from contracts
    group by expiry, expires_at
),

ranked as (
    select
        contracts.*,
        instants.instant_place,
        row_number() over (
            partition by contracts.expiry, contracts.strike, contracts.option_type
            order by
                contracts.venue = 'deribit' desc, instants.instant_place, contracts.oi_base desc nulls last, contracts.place
        ) as quote_place
    from contracts
    inner join instants on contracts.expiry = instants.expiry and contracts.expires_at = instants.expires_at
),

-- call and put of a line share their volatility
lines as (
    select
        expiry,
        strike,
        line,
        instant_place,
        max(iv) as iv,
        exact_sum(oi_base) as oi_base
    from ranked
    where iv is not null
    group by expiry, strike, line, instant_place
    qualify rank() over (partition by expiry, strike order by instant_place) = 1
),

smile as (
    select expiry, strike, significant(mean_by_weight(iv, oi_base, line)) as iv
    from lines
    group by expiry, strike
),

folded as (
    select
        expiry,
        strike,
        option_type,
        exact_sum(oi_base) as oi_base,
        exact_sum(oi_base / multiplier) as oi_contracts,
        max(mark) filter (quote_place = 1) as mark,
        max(bid) filter (quote_place = 1) as bid,
        max(ask) filter (quote_place = 1) as ask,
        case when count(volume_base) = count(*) then exact_sum(volume_base) end as volume_base,
        case when count(volume_base) = count(*) then exact_sum(volume_base / multiplier) end as volume_contracts,
        significant(mean_by_weight(delta, oi_base, place)) as delta,
        significant(mean_by_weight(gamma, oi_base, place)) as gamma,
        significant(mean_by_weight(theta, oi_base, place)) as theta,
        significant(mean_by_weight(vega, oi_base, place)) as vega,
        significant(mean_by_weight(vanna, oi_base, place)) as vanna,
        significant(mean_by_weight(charm, oi_base, place)) as charm,
        sum(gex_usd_1pct) as gex_usd_1pct
    from ranked
    group by expiry, strike, option_type
),

final as (
    select folded.*, smile.iv
    from folded
    left join smile on folded.expiry = smile.expiry and folded.strike = smile.strike
)

select * from final
order by expiry, strike, option_type
