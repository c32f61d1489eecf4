-- marts.gex_heatmap: open interest and exposures by expiry and strike, the additive grain of every profile, level and filter.
-- One row per snapshot_id, scope_venue, expires_at, strike.   Unit: USD per 1 % (gex), USD (dex), USD per vol point (vex),
-- USD per calendar day (chex); open interest in units of the underlying.   definitions §1 (nulls in sums), §5
-- Sums are of values rounded to the cent, as DECIMAL, so they do not depend on the order in which threads add.

with members as (
    select *, unnest(string_split(venues, ',')) as venue from core.scopes
),

live as (
    select * from core.live_contracts
),

contracts as (
    select
        members.*,
        live.* exclude (snapshot_id, venue),
        live.option_type = 'C' as is_call,
        live.option_type = 'P' as is_put
    from members
    inner join live on members.snapshot_id = live.snapshot_id and members.venue = live.venue
),

sides as (
    select
        snapshot_id,
        underlying,
        captured_at,
        session_date,
        scope_venue,
        is_only_venue,
        market,
        local_date,
        expires_at,
        expiry,
        strike,
        exact_sum(case when is_call then oi_base end) as call_oi,
        exact_sum(case when is_put then oi_base end) as put_oi,
        exact_sum(case when is_call then oi_contracts end) as call_oi_contracts,
        exact_sum(case when is_put then oi_contracts end) as put_oi_contracts,
        exact_usd(sum(gex_usd_1pct) filter (is_call)) as call_gex_usd_1pct,
        exact_usd(sum(gex_usd_1pct) filter (is_put)) as put_gex_usd_1pct,
        exact_usd(sum(dex_usd) filter (is_call)) as call_dex_usd,
        exact_usd(sum(dex_usd) filter (is_put)) as put_dex_usd,
        exact_usd(sum(vex_usd_1vol) filter (is_call)) as call_vex_usd_1vol,
        exact_usd(sum(vex_usd_1vol) filter (is_put)) as put_vex_usd_1vol,
        exact_usd(sum(chex_usd_day) filter (is_call)) as call_chex_usd_day,
        exact_usd(sum(chex_usd_day) filter (is_put)) as put_chex_usd_day,
        coalesce(exact_sum(case when oi_base > 0 and gex_usd_1pct is null then oi_base end), 0) as oi_without_iv
    from contracts
    group by all
),

measured as (
    select
        * exclude (market, local_date),
        days_to_expiry(market, captured_at, local_date, expires_at, expiry) as dte,
        exposures_of(
            call_oi, put_oi, oi_without_iv, call_gex_usd_1pct, put_gex_usd_1pct, call_dex_usd, put_dex_usd,
            call_vex_usd_1vol, put_vex_usd_1vol, call_chex_usd_day, put_chex_usd_day
        ) as exposures
    from sides
),

final as (
    select * exclude (exposures), exposures.* from measured
)

select * from final
order by snapshot_id, scope_venue, expires_at, strike
