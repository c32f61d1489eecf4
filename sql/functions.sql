-- Scalar functions that several relations share. Created in every database before anything else.

-- null is "not listed" or "not measured": the sum is then the other side, and null only when both are
create or replace macro net_of(call_side, put_side) as
    case when call_side is null then put_side when put_side is null then call_side else call_side + put_side end;

create or replace macro gross_of(call_side, put_side) as net_of(abs(call_side), abs(put_side));

-- how much of the gross is left as net, -1 to 1; null without a gross
create or replace macro net_to_gross_of(net, gross) as net::double / nullif(gross, 0)::double;

-- how many decimals a quantity needs; open interest is whole lots, strikes are whole ticks
create or replace macro decimals_of(quantity) as
    case
        when quantity is null or quantity = round(quantity, 0) then 0
        when quantity = round(quantity, 1) then 1
        when quantity = round(quantity, 2) then 2
        when quantity = round(quantity, 3) then 3
        when quantity = round(quantity, 4) then 4
        when quantity = round(quantity, 5) then 5
        else 6
    end;

-- days to settlement: calendar days in the US, whole days of 24 hours for crypto
create or replace macro days_to_expiry(market, captured_at, local_date, expires_at, expiry) as
    case when market = 'us' then expiry - local_date else date_diff('second', captured_at, expires_at) // 86400 end;

-- open interest adds exactly as a decimal; a sum of doubles would depend on the order of threads
create or replace macro exact_sum(quantity) as sum(quantity::decimal(18, 6))::double;

-- mean of the known values by weight, with equal weights where all are 0; added in the order of `place`, so always to the same bits
create or replace macro weighted_mean(quantity, weight, place) as
    case
        when coalesce(sum(case when quantity is not null then weight end), 0) > 0
            then sum(quantity * weight order by place)
                / sum(case when quantity is not null then weight end order by place)
        else sum(quantity order by place) / count(quantity)
    end;

-- rounded to 12 significant digits: what is left when logarithms and roots differ in their last bits
create or replace macro significant(quantity) as format('{:.11e}', quantity)::double;
