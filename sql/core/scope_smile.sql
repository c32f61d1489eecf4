-- core.scope_smile: forward, smile and expected moves of each expiry over the venues of a scope.
-- One row per snapshot_id, scope_venue, expires_at.   Unit: USD, fractions, years.   definitions §2 (tau), §7 (scope `all` over venues)
-- Volatilities, forward / spot and straddle are means weighted by open interest over the (venue, book)s that have one, with equal
-- weights where none has open interest; skew and moves follow from these means. Sums are ordered: the same in every rebuild.
-- Time counts from the venue's quotes, and from captured_at where several venues are covered.
-- transient: marts.expiry_summary publishes it

with scopes as (
    select *, unnest(string_split(venues, ',')) as venue, venues like '%,%' as is_several from core.scopes
),

smiles as (
    select * from core.expiry_smile
),

books as (
    select
        scopes.snapshot_id,
        scopes.scope_venue,
        scopes.is_only_venue,
        scopes.market,
        scopes.captured_at,
        scopes.spot as scope_spot,
        scopes.is_several,
        smiles.* exclude (snapshot_id, spot),
        smiles.forward / smiles.spot as forward_to_spot,
        coalesce(smiles.oi_base, 0) as weight,
        row_number() over (
            partition by scopes.snapshot_id, scopes.scope_venue, smiles.expires_at order by smiles.venue, smiles.book
        ) as place
    from scopes
    inner join smiles on scopes.snapshot_id = smiles.snapshot_id and scopes.venue = smiles.venue
),

means as (
    select
        snapshot_id,
        scope_venue,
        is_only_venue,
        market,
        expires_at,
        scope_spot as spot,
        count(*) as books,
        first(case
            when is_several then (epoch_us(expires_at) - epoch_us(captured_at)) / 31536000e6
            else tau
        end order by place) as tau,
        weighted_mean(forward_to_spot, weight, place) as forward_to_spot,
        weighted_mean(discount, weight, place) as discount,
        weighted_mean(straddle, weight, place) as straddle,
        weighted_mean(atm_iv, weight, place) as atm_iv,
        weighted_mean(put_25d_iv, weight, place) as put_25d_iv,
        weighted_mean(call_25d_iv, weight, place) as call_25d_iv,
        list(distinct straddle_source order by straddle_source) as straddle_sources,
        list(distinct forward_source order by forward_source) as forward_sources,
        first(straddle_reason order by weight desc, place) as straddle_reason,
        first(atm_iv_reason order by weight desc, place) as atm_iv_reason,
        first(put_25d_reason order by weight desc, place) as put_25d_reason,
        first(call_25d_reason order by weight desc, place) as call_25d_reason
    from books
    group by snapshot_id, scope_venue, is_only_venue, market, expires_at, scope_spot
),

final as (
    select
        snapshot_id,
        scope_venue,
        is_only_venue,
        market,
        expires_at,
        books,
        spot,
        tau,
        discount,
        significant(spot * forward_to_spot) as forward,
        array_to_string(forward_sources, '+') as forward_source,
        significant(means.straddle) as straddle,
        case when straddle is not null then array_to_string(straddle_sources, '+') end as straddle_source,
        case when straddle is null then straddle_reason end as straddle_reason,
        significant(means.straddle / discount * sqrt(pi() / 2) / forward_to_spot) as straddle_1sd,
        2 * straddle_1sd as straddle_2sd,
        significant(means.atm_iv) as atm_iv,
        case when atm_iv is null then atm_iv_reason end as atm_iv_reason,
        significant(means.put_25d_iv) as put_25d_iv,
        case when put_25d_iv is null then put_25d_reason end as put_25d_reason,
        significant(means.call_25d_iv) as call_25d_iv,
        case when call_25d_iv is null then call_25d_reason end as call_25d_reason,
        significant(means.put_25d_iv - means.call_25d_iv) as skew_25d,
        -skew_25d as risk_reversal_25d,
        significant((means.put_25d_iv + means.call_25d_iv) / 2 - means.atm_iv) as butterfly_25d,
        case when tau > 0 then significant(spot * means.atm_iv * sqrt(tau)) end as expected_move_1sd,
        2 * expected_move_1sd as expected_move_2sd
    from means
)

select * from final
