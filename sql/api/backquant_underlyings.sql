-- backquant_underlyings: what snapshots are stored of. One row per underlying.

with final as (
    select underlying, max(market) as market
    from core.snapshots
    group by underlying
)

select * from final
order by underlying
