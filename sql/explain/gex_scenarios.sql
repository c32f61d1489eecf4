-- What $call_gex and $put_gex, signed as the marts carry them (calls +, puts −), are under each sign scenario: a row per scenario.
-- definitions §5

select
    scenario,
    call_sign,
    put_sign,
    call_sign * $call_gex::decimal(18, 2) as call_gex_usd_1pct,
    -put_sign * $put_gex::decimal(18, 2) as put_gex_usd_1pct,
    net_of(call_gex_usd_1pct, put_gex_usd_1pct) as net_gex_usd_1pct,
    meaning
from core.sign_scenarios
order by list_position(['std', 'short_both', 'inverted', 'gross'], scenario)
