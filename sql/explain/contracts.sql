-- The contracts of snapshot $id on $venues, of an expiry, instant, strike or all: a row per venue, instrument, with what its exposure is
-- made of. Settled and adjusted ones (not is_live) have no greeks.   Units as core.option_quotes and core.option_greeks.

with usable as (
    select * from core.snapshot_venues where snapshot_id = $id and status = 'ok'
),

quotes as (
    select * from core.option_quotes where snapshot_id = $id
),

greeks as (
    select * from core.option_greeks where snapshot_id = $id
),

smiles as (
    select * from core.expiry_smile where snapshot_id = $id
)

select
    quotes.venue,
    quotes.instrument,
    quotes.book,
    quotes.root,
    quotes.expires_at,
    quotes.expiry,
    quotes.strike,
    quotes.option_type,
    quotes.exercise,
    quotes.is_live,
    quotes.is_adjusted,
    quotes.multiplier,
    quotes.oi_base,
    quotes.bid,
    quotes.ask,
    quotes.mark,
    quotes.venue_iv,
    quotes.venue_gamma,
    quotes.venue_forward,
    quotes.quoted_at,
    usable.spot,
    greeks.forward,
    greeks.forward_source,
    greeks.tau,
    smiles.discount,
    greeks.iv,
    greeks.iv_source,
    greeks.iv_reason,
    greeks.gamma,
    greeks.gex_usd_1pct,
    usable.run_id,
    quotes.payload_sha256,
    quotes.row_number
from quotes
inner join usable on quotes.venue = usable.venue
left join greeks on quotes.venue = greeks.venue and quotes.instrument = greeks.instrument
left join smiles on quotes.venue = smiles.venue and quotes.book = smiles.book and quotes.expires_at = smiles.expires_at
where
    list_contains($venues, quotes.venue)
    and ($expiry is null or quotes.expiry = $expiry::date)
    and ($expires_at is null or quotes.expires_at = $expires_at::timestamp)
    and ($strike is null or quotes.strike = $strike::double)
order by quotes.venue, quotes.instrument
