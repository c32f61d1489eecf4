-- api/flashalpha_sessions: the US session of a date, if it is one, and the first session after it.
-- One row.   Parameter: date (New York).   Times are UTC

select
    max(case when session_date = $date::date then opens_at end) as opens_at,
    max(case when session_date = $date::date then closes_at end) as closes_at,
    min(case when session_date > $date::date then session_date end) as next_session
from core.sessions
