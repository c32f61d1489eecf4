-- What the macro opex_calendar adds to its mart: with `until`, expiries up to that date that no stored chain has.
-- They follow the listing rules of core.listing_rules (definitions §8), and count from the snapshot; where there is none, from as_of or now.
-- Its last relation, `extended`, is the macro's result. Macro arguments are bare names here; columns are always qualified.

origin as (
    select
        scope_rows.snapshot_id,
        scope_rows.session_date,
        scope_rows.spot,
        asked.name as underlying,
        coalesce(scope_rows.captured_at, asked.at) as captured_at,
        coalesce(scope_rows.scope_venue, 'all') as scope_venue,
        coalesce(scope_rows.market, rules.market, 'us') as market
    from (select upper(underlying) as name, coalesce(as_of::timestamp, make_timestamp(epoch_us(now()))) as at) as asked
    left join scope_rows on scope_rows.underlying = asked.name
    left join core.listing_rules as rules on rules.underlying = asked.name
),

rule as (
    select rules.closes, rules.mornings
    from origin
    inner join core.listing_rules as rules on rules.market = origin.market and rules.underlying in (origin.underlying, '*')
    order by rules.underlying = '*'
    limit 1
),

foreseen as (
    select
        types.* exclude (market),
        origin.snapshot_id,
        origin.session_date,
        origin.spot,
        origin.underlying,
        origin.captured_at,
        origin.scope_venue,
        days_to_expiry(
            origin.market,
            origin.captured_at,
            timezone('America/New_York', timezone('UTC', origin.captured_at))::date,
            types.expires_at,
            types.expiry
        ) as dte
    from origin
    cross join rule
    inner join core.calendar as types
        on types.market = origin.market and types.expires_at > origin.captured_at and types.expiry <= until::date
    left join core.sessions as sessions on types.market = 'us' and types.expires_at = sessions.closes_at
    where
        until is not null
        and types.expires_at not in (select listed.expires_at from listed)
        and case
            when types.market = 'crypto' then types.expires_at::time = time '08:00' and types.type <> 'unknown'
            when sessions.closes_at is not null then rule.closes = 'every' or (rule.closes = 'week_end' and types.type <> 'daily')
            when not types.is_am_settled then false
            when rule.mornings = 'third_friday' then types.is_anchor and not types.is_vix_settlement
            -- a VIX day that a holiday moves is a Tuesday
            when rule.mornings = 'vix' then types.is_vix_settlement or (types.type = 'weekly' and isodow(types.expiry) in (2, 3))
            else false
        end
),

every_expiry as (
    select mart.* from marts__opex_calendar as mart where until is null or mart.expiry <= until::date
    union all by name
    select foreseen.*, false as is_listed
    from foreseen
    where
        (expiry is null or foreseen.expiry = expiry::date)
        and (expires_at is null or foreseen.expires_at = expires_at::timestamp)
        and (dte_min is null or foreseen.dte >= dte_min)
        and (dte_max is null or foreseen.dte <= dte_max)
),

-- an anchor that is listed, even if it lies beyond `until`, before one that only the rules foresee
anchors as (
    select
        coalesce(
            (select min(mart.next_anchor) from marts__opex_calendar as mart),
            (select min(one.expires_at) filter (one.is_anchor) from every_expiry as one)
        ) as earliest
),

extended as (
    select every_expiry.* exclude (next_anchor), anchors.earliest as next_anchor
    from every_expiry
    cross join anchors
)
