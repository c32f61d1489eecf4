-- Scalar functions that several relations share. Created in every database before anything else.

-- null is "not listed" or "not measured": the sum is then the other side, and null only when both are
create or replace macro net_of(call_side, put_side) as
    case when call_side is null then put_side when put_side is null then call_side else call_side + put_side end;

create or replace macro gross_of(call_side, put_side) as net_of(abs(call_side), abs(put_side));

-- how much of the gross is left as net, -1 to 1; null without a gross
create or replace macro net_to_gross_of(net, gross) as net::double / nullif(gross, 0)::double;

-- what heatmap, profiles and table macros publish besides the sums of calls and of puts: net, gross, and net to gross.
-- Name the result `exposures`: `exposures.*` in the next SELECT makes columns of it. In the same SELECT, planning takes thrice as long.
create or replace macro exposures_of(
    call_oi, put_oi, oi_without_iv, call_gex_usd_1pct, put_gex_usd_1pct, call_dex_usd, put_dex_usd,
    call_vex_usd_1vol, put_vex_usd_1vol, call_chex_usd_day, put_chex_usd_day
) as {
    'net_gex_usd_1pct': net_of(call_gex_usd_1pct, put_gex_usd_1pct),
    'abs_gex_usd_1pct': gross_of(call_gex_usd_1pct, put_gex_usd_1pct),
    'net_to_gross': net_to_gross_of(net_of(call_gex_usd_1pct, put_gex_usd_1pct), gross_of(call_gex_usd_1pct, put_gex_usd_1pct)),
    'net_dex_usd': net_of(call_dex_usd, put_dex_usd),
    'abs_dex_usd': gross_of(call_dex_usd, put_dex_usd),
    'dex_net_to_gross': net_to_gross_of(net_of(call_dex_usd, put_dex_usd), gross_of(call_dex_usd, put_dex_usd)),
    'net_vex_usd_1vol': net_of(call_vex_usd_1vol, put_vex_usd_1vol),
    'abs_vex_usd_1vol': gross_of(call_vex_usd_1vol, put_vex_usd_1vol),
    'vex_net_to_gross': net_to_gross_of(net_of(call_vex_usd_1vol, put_vex_usd_1vol), gross_of(call_vex_usd_1vol, put_vex_usd_1vol)),
    'net_chex_usd_day': net_of(call_chex_usd_day, put_chex_usd_day),
    'abs_chex_usd_day': gross_of(call_chex_usd_day, put_chex_usd_day),
    'chex_net_to_gross': net_to_gross_of(net_of(call_chex_usd_day, put_chex_usd_day), gross_of(call_chex_usd_day, put_chex_usd_day)),
    'oi_without_iv_pct': 100 * oi_without_iv / nullif(net_of(call_oi, put_oi), 0)
};

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

-- a sum of cents in the type in which it is stored: DuckDB's own for sums takes twice the space and time wherever it is used again
create or replace macro exact_usd(total) as total::decimal(18, 2);

-- rounded to twelve significant digits, as stored numbers are (definitions §12); through text, where decimals are exact
create or replace macro significant(quantity) as format('{:.11e}', quantity)::double;

-- mean of pairs weighted by open interest, equal weights without any; a sum of doubles in the order of the list
create or replace macro mean_of_pairs(pairs) as
    case
        when list_sum(list_transform(pairs, lambda pair: pair.weight)) > 0
            then
                list_sum(list_transform(pairs, lambda pair: pair.weight * pair.quantity))
                / list_sum(list_transform(pairs, lambda pair: pair.weight))
        else list_sum(list_transform(pairs, lambda pair: pair.quantity)) / nullif(len(pairs), 0)
    end;

-- the same over rows, by place, that have the quantity; each is sorted once, however often its list is read
create or replace macro mean_by_weight(quantity, weight, place) as
    mean_of_pairs(list({ 'weight': coalesce(weight, 0), 'quantity': quantity } order by place) filter (quantity is not null));

-- why a value is missing, null where it is there; a missing value that no relation gives a reason for shows as such
create or replace macro reason_of(measured, reason) as case when measured is null then coalesce(reason, 'without_reason') end;

-- why an alignment is unknown: what it lacks (definitions §9)
create or replace macro reason_of_alignment(alignment, max_pain_strike, gamma_flip, gamma_flip_status, call_wall, put_wall) as
    case
        when alignment <> 'unknown' then null
        when max_pain_strike is null then 'no_open_interest'
        when gamma_flip is null then gamma_flip_status
        when call_wall is null or put_wall is null then 'no_wall'
        else 'without_reason'
    end;

-- the normal distribution function, to 1e-15: W. J. Cody, Rational Chebyshev approximations for the error function (1969), on three
-- ranges of the distance from 0. exp(−d²/2) is split at sixteenths, which keeps its digits far out.
create or replace macro normal_near_zero(d, s) as
    d
    * ((((0.065682337918207449113::double * s + 2.2352520354606839287::double) * s + 161.02823106855587881::double) * s
    + 1067.6894854603709582::double) * s + 18154.981253343561249::double)
    / ((((s + 47.20258190468824187::double) * s + 976.09855173777669322::double) * s + 10260.932208618978205::double) * s
    + 45507.789335026729956::double);

create or replace macro normal_middle(d) as
    ((((((((1.0765576773720192317e-8 * d + 0.39894151208813466764::double) * d + 8.8831497943883759412::double) * d
    + 93.506656132177855979::double) * d + 597.27027639480026226::double) * d + 2494.5375852903726711::double) * d
    + 6848.1904505362823326::double) * d + 11602.651437647350124::double) * d + 9842.7148383839780218::double)
    / ((((((((d + 22.266688044328115691::double) * d + 235.38790178262499861::double) * d + 1519.377599407554805::double) * d
    + 6485.558298266760755::double) * d + 18615.571640885098091::double) * d + 34900.952721145977266::double) * d
    + 38912.003286093271411::double) * d + 19685.429676859990727::double);

create or replace macro normal_far(d, r) as
    (
        1 / sqrt(2 * pi())
        - r
        * (((((0.02307344176494017303::double * r + 0.21589853405795699::double) * r + 0.1274011611602473639::double) * r
        + 0.022235277870649807::double) * r + 0.001421619193227893466::double) * r + 2.9112874951168792e-5)
        / (((((r + 1.28426009614491121::double) * r + 0.468238212480865118::double) * r + 0.0659881378689285515::double) * r
        + 0.00378239633202758244::double) * r + 7.29751555083966205e-5)
    ) / d;

create or replace macro normal_falloff(d, sixteenths) as
    exp(-0.5::double * sixteenths * sixteenths) * exp(-0.5::double * (d - sixteenths) * (d + sixteenths));

create or replace macro normal_tail(d) as
    case
        when d > 38.5 then 0::double
        when d <= sqrt(32) then normal_falloff(d, trunc(d * 16) / 16) * normal_middle(d)
        else normal_falloff(d, trunc(d * 16) / 16) * normal_far(d, 1 / (d * d))
    end;

create or replace macro normal_cdf(x) as
    case
        when abs(x) <= 0.67448975 then 0.5 + normal_near_zero(x, x * x)
        when x < 0 then normal_tail(-x)
        else 1 - normal_tail(x)
    end;

-- scope_expiry of the profile of one expiry alone, beside all, 0dte and the like
create or replace macro name_of_expiry(expires_at) as strftime(expires_at, '%Y-%m-%dT%H:%M:%S');

-- a price in deviations of a lognormal with mean `forward`, `deviation` that of its logarithm: normal_cdf of it is the chance to end below
create or replace macro lognormal_deviation(price, forward, deviation) as
    case when price > 0 then ln(price / forward) / nullif(deviation, 0) + deviation / 2 end;

-- mean of numbers below a million: exact whatever the order, to twelve decimals
create or replace macro exact_mean(quantity) as sum(quantity::decimal(18, 12))::double / nullif(count(quantity), 0);

-- pin scores are judged in bins of ten points, told by their lowest score; 100 belongs to the last
create or replace macro score_bin_of(score) as case when score >= 90 then 90 else score // 10 * 10 end;

-- what a forecast loses when the event comes true or not; kept off 0 and 1, where one surprise would outweigh all else
create or replace macro log_loss_of(probability, has_happened) as
    -ln(
        case
            when has_happened and probability < 1e-6 or not has_happened and probability > 1 - 1e-6 then 1e-6
            when has_happened then probability
            else 1 - probability
        end
    );
