-- backquant_last_trading: the last instant at or before a moment at which the US market was open. One row; null before 2000.
-- Argument: now, UTC.

with sessions as (
    select * from core.sessions
),

final as (
    select max(least(closes_at, $now::timestamp)) as traded_at
    from sessions
    where opens_at <= $now::timestamp
)

select * from final
