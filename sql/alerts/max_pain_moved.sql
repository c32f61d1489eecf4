-- Alert max_pain_moved: max pain of an expiry in the newest snapshot lies more than $pct percent of spot from that in the one before.
-- One row per underlying, expires_at, direction.   Inputs: marts.max_pain_drift (all venues), core.snapshots (live ones).   definitions §11
-- $expiries: all, or front (the nearest that has a max pain). $dte_max: null for any. The next snapshot without such a move ends it.

with drift as (
    select * from marts.max_pain_drift
),

snapshots as (
    select * from core.snapshots
),

newest as (
    select snapshot_id
    from snapshots
    where origin = 'live'
    qualify row_number() over (partition by underlying order by captured_at desc) = 1
),

rows_of_newest as (
    select
        drift.*,
        row_number() over (partition by drift.underlying order by drift.expires_at) as place
    from drift
    inner join newest on drift.snapshot_id = newest.snapshot_id
    where drift.scope_venue = 'all' and drift.max_pain_strike is not null
),

final as (
    select
        underlying,
        strftime(expires_at, '%Y-%m-%dT%H:%M') || case when drift_usd > 0 then '|up' else '|down' end as subject,
        format(
            'Max pain of {} {} UTC moved {:+.2f} % of spot, from {:g} to {:g} ({} UTC)',
            underlying,
            strftime(expires_at, '%Y-%m-%d %H:%M'),
            drift_pct,
            previous_max_pain_strike,
            max_pain_strike,
            strftime(captured_at, '%Y-%m-%d %H:%M')
        ) as message
    from rows_of_newest
    where
        abs(drift_pct) > $pct
        and ($expiries = 'all' or place = 1)
        and dte <= coalesce($dte_max, dte)
)

select * from final
order by underlying, subject
