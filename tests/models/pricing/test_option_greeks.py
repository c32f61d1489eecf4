"""Volatility, greeks and exposures of a snapshot's contracts (definitions §1, §3, §5)."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from models.market.calendar import TradingCalendar
from models.pricing import black76
from models.pricing.forwards import expiry_forwards
from models.pricing.option_greeks import OPTION_GREEKS
from tests.models.chain_frames import chain, edit, recorded_cboe, recorded_deribit, spots
from tests.models.default_models import option_greeks

EXPOSURES = ["gex_usd_1pct", "dex_usd", "vex_usd_1vol", "chex_usd_day"]
GREEKS = ["delta", "gamma", "vega", "theta", "vanna", "charm"]
PUT, CALL = "XYZ-30-90-P", "XYZ-30-90-C"  # the strike below the forward: the put is out of the money


def greeks_of(quotes: pl.DataFrame, spot: float | None = 100.0, **options: Any) -> pl.DataFrame:
    by_venue = spots(**dict.fromkeys(quotes["venue"].unique(), spot))
    return option_greeks(quotes, expiry_forwards(quotes, by_venue), **options)


def row_of(greeks: pl.DataFrame, instrument: str) -> dict[str, Any]:
    return greeks.row(by_predicate=pl.col("instrument") == instrument, named=True)


def ladder() -> pl.DataFrame:
    """A chain in which every rung of the volatility ladder is there, each with a volatility of its own at strike 90."""
    quotes = chain(forward=101, strikes=range(80, 121, 5), vol=0.4, venue_forward=101.0)
    marks = {"XYZ-30-90-P": (0.43, False), "XYZ-30-90-C": (0.45, True)}
    for instrument, (vol, is_call) in marks.items():
        quotes = edit(quotes, instrument, mark=price_at(90, vol, is_call))
    call_mid = price_at(90, 0.44, True)
    quotes = edit(quotes, CALL, venue_iv=0.42, bid=call_mid - 0.01, ask=call_mid + 0.01)
    return edit(quotes, PUT, venue_iv=0.41)


def price_at(strike: float, vol: float, is_call: bool, forward: float = 101.0, tau: float = 30 / 365) -> float:
    f, k, t, v, discount = (np.array([value]) for value in (forward, strike, tau, vol, math.exp(-0.04 * tau)))
    return black76.price(f, k, t, v, np.array([is_call]), discount).item()


def test_call_and_put_of_a_strike_share_the_volatility_of_the_side_out_of_the_money() -> None:
    quotes = chain(forward=101, vol=lambda strike: 0.4 + (100 - strike) / 200)
    greeks = greeks_of(quotes).join(quotes.select("instrument", "strike", "option_type"), on="instrument")
    for (strike,), pair in greeks.group_by("strike"):
        assert pair["iv"].n_unique() == 1
        assert pair["iv"][0] == pytest.approx(0.4 + (100 - float(strike)) / 200, abs=1e-9)
        assert set(pair["iv_source"]) == {"mid"}


RUNGS: list[tuple[str | None, float | None, dict[str, dict[str, float | None]]]] = [
    ("venue", 0.41, {PUT: {"venue_iv": None}}),
    ("mid", 0.40, {PUT: {"bid": None}}),
    ("pair", 0.42, {CALL: {"venue_iv": 0.009}}),  # below the least that counts
    ("mark", 0.43, {PUT: {"mark": None}}),
    ("pair_mid", 0.44, {CALL: {"ask": 0.0}}),
    ("pair_mark", 0.45, {CALL: {"mark": math.nan}}),
    (None, None, {}),
]


def test_the_volatility_comes_from_the_highest_rung_that_is_there() -> None:
    quotes = ladder()
    for source, vol, removed in RUNGS:
        greeks = greeks_of(quotes)
        for instrument in (PUT, CALL):
            row = row_of(greeks, instrument)
            assert row["iv_source"] == source
            assert row["iv"] == (None if vol is None else pytest.approx(vol, abs=1e-9))
            assert row["iv_reason"] == (None if vol else "no_price")
        for instrument, values in removed.items():
            quotes = edit(quotes, instrument, **values)


@pytest.mark.parametrize("given", [0.0099, 10.01, math.nan, None])
def test_a_venue_volatility_outside_its_bounds_does_not_count(given: float | None) -> None:
    row = row_of(greeks_of(edit(ladder(), PUT, venue_iv=given)), PUT)
    assert row["iv_source"] == "mid"
    assert row_of(greeks_of(edit(ladder(), PUT, venue_iv=0.0099), iv_min=0.005), PUT)["iv"] == 0.0099


def test_an_american_price_in_the_money_is_never_solved() -> None:
    quotes = ladder().with_columns(exercise=pl.lit("american"))
    for instrument, values in ((PUT, {"venue_iv": None, "bid": None, "mark": None}), (CALL, {"venue_iv": None})):
        quotes = edit(quotes, instrument, **values)
    row = row_of(greeks_of(quotes), PUT)
    assert row["iv"] is None and row["iv_reason"] == "american_itm"
    assert row_of(greeks_of(edit(quotes, CALL, venue_iv=0.42)), PUT)["iv_source"] == "pair"
    no_price = edit(quotes, CALL, bid=None, mark=None)
    assert row_of(greeks_of(no_price), PUT)["iv_reason"] == "no_price"


def test_the_reason_is_that_of_the_first_price_that_exists() -> None:
    quotes = edit(edit(ladder(), CALL, venue_iv=None, bid=None, mark=1.0), PUT, venue_iv=None, bid=None, mark=None)
    assert row_of(greeks_of(quotes), PUT)["iv_reason"] == "below_intrinsic"  # a call with 11 of intrinsic value for 1
    assert row_of(greeks_of(edit(quotes, PUT, mark=95.0)), PUT)["iv_reason"] == "above_bound"
    assert row_of(greeks_of(edit(quotes, PUT, bid=95.0, ask=96.0, mark=1e-13)), PUT)["iv_reason"] == "above_bound"


def test_a_side_that_is_not_listed_takes_the_volatility_of_the_other() -> None:
    only_call = ladder().filter(pl.col("instrument") != PUT)
    assert row_of(greeks_of(only_call), CALL)["iv_source"] == "pair"
    only_put = ladder().filter(pl.col("instrument") != CALL)
    assert row_of(greeks_of(only_put), PUT)["iv_source"] == "venue"


def test_at_the_forward_the_call_is_the_side_that_counts() -> None:
    quotes = chain(forward=100, strikes=[100], venue_forward=100.0)
    quotes = edit(edit(quotes, "XYZ-30-100-C", venue_iv=0.5), "XYZ-30-100-P", venue_iv=0.6)
    assert greeks_of(quotes)["iv"].to_list() == [0.5, 0.5]


def test_roots_that_share_a_strike_keep_their_own_volatility() -> None:
    quotes = pl.concat([chain(forward=101, book="SPX", root=root, vol=vol) for root, vol in (("SPX", 0.2), ("SPXW", 0.3))])
    for instrument, vol in (("SPX-30-90-C", 0.2), ("SPXW-30-90-C", 0.3)):
        assert row_of(greeks_of(quotes), instrument)["iv"] == pytest.approx(vol, abs=1e-9)


def test_greeks_are_black_76_on_the_forward() -> None:
    quotes = chain(forward=101, venue_iv=0.4, venue_forward=101.0)
    greeks = greeks_of(quotes)
    forward, spot, tau, vol = (np.full(quotes.height, value) for value in (101.0, 100.0, 30 / 365, 0.4))
    strike, is_call, discount = quotes["strike"].to_numpy(), (quotes["option_type"] == "C").to_numpy(), np.exp(-0.04 * tau)
    expected = black76.greeks(forward, strike, tau, vol, is_call, discount, spot)._asdict()
    expected |= {"vega": black76.vega(forward, strike, tau, vol, discount), "theta": black76.theta(forward, strike, tau, vol, discount)}
    for name in GREEKS:
        np.testing.assert_allclose(greeks[name].to_numpy(), expected[name], rtol=1e-11)


def test_greeks_are_stored_with_twelve_digits() -> None:
    greeks = greeks_of(chain(forward=101.123456789123))
    for name in ["forward", "iv", *GREEKS]:
        assert greeks[name].to_list() == [float(f"{value:.11e}") for value in greeks[name]]


def test_exposures_follow_their_formulas_with_calls_positive_and_puts_negative() -> None:
    quotes = chain(forward=101, venue_iv=0.4)
    greeks = greeks_of(quotes)
    sign, oi = np.where(quotes["option_type"] == "C", 1.0, -1.0), 100.0
    for name, each in (
        ("gex_usd_1pct", greeks["gamma"] * 100.0**2 * oi * 0.01),
        ("dex_usd", greeks["delta"] * 100.0 * oi),
        ("vex_usd_1vol", greeks["vanna"] * 100.0 * oi * 0.01),
        ("chex_usd_day", greeks["charm"] * 100.0 * oi / 365),
    ):
        assert greeks[name].dtype == pl.Decimal(18, 2)
        np.testing.assert_allclose(greeks[name].cast(pl.Float64).to_numpy(), each.to_numpy() * sign, atol=0.0050001)


def test_exposures_do_not_depend_on_spot_and_do_without_it() -> None:
    quotes = chain(forward=101, venue_forward=101.0, venue_iv=0.4)
    exposures = greeks_of(quotes, spot=100.0).select(EXPOSURES)
    assert exposures.equals(greeks_of(quotes, spot=90.0).select(EXPOSURES))
    without = greeks_of(quotes, spot=None)
    assert exposures.equals(without.select(EXPOSURES))
    assert without["delta"].null_count() == without["gamma"].null_count() == quotes.height and without["vega"].null_count() == 0


def test_without_open_interest_exposure_is_zero_with_or_without_volatility() -> None:
    quotes = edit(ladder(), PUT, oi_base=0.0)
    assert row_of(greeks_of(quotes), PUT)["gex_usd_1pct"] == Decimal("0.00")
    quotes = quotes.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in ("bid", "ask", "mark", "venue_iv"))
    greeks = greeks_of(quotes)
    for name in EXPOSURES:
        assert row_of(greeks, PUT)[name] == Decimal("0.00")
        assert row_of(greeks, CALL)[name] is None  # open interest and no volatility: left out, not zero


def test_unknown_open_interest_is_unknown_exposure() -> None:
    row = row_of(greeks_of(edit(ladder(), PUT, oi_base=None)), PUT)
    assert all(row[name] is None for name in EXPOSURES) and row["gamma"] is not None


def test_the_last_hour_is_floored_for_the_exposed_greeks_only() -> None:
    minute = 1 / 1440
    quotes = chain(forward=100, days=minute, strikes=[100], venue_iv=0.4, venue_forward=100.0)
    last_minute, floored = greeks_of(quotes), greeks_of(chain(forward=100, days=1 / 24, strikes=[100], venue_iv=0.4, venue_forward=100.0))
    for name in ("delta", "gamma", "vega", "vanna", "charm"):
        np.testing.assert_allclose(last_minute[name].to_numpy(), floored[name].to_numpy(), rtol=1e-5)
    assert last_minute["tau"][0] == pytest.approx(minute / 365)
    assert last_minute["theta"][0] == pytest.approx(floored["theta"][0] * math.sqrt(60), rel=1e-5)
    unfloored = greeks_of(quotes, tau_floor_seconds=1.0)
    assert unfloored["gamma"][0] == pytest.approx(floored["gamma"][0] * math.sqrt(60), rel=1e-5)


def test_volatility_is_solved_with_the_true_time_to_settlement() -> None:
    greeks = greeks_of(chain(forward=100, days=1 / 96, strikes=[99.9, 100, 100.1], vol=0.4, half_spread=0.001, venue_forward=100.0))
    np.testing.assert_allclose(greeks["iv"].to_numpy(), 0.4, atol=1e-8)


def test_the_gamma_of_the_venue_can_feed_gamma_exposure() -> None:
    quotes = edit(chain(forward=101, venue_iv=0.4, venue_gamma=0.02), PUT, venue_gamma=None)
    quotes = edit(quotes, "XYZ-30-80-P", venue_gamma=None, oi_base=0.0)
    greeks, model = greeks_of(quotes, gamma_source="venue"), greeks_of(quotes)
    assert row_of(greeks, CALL)["gex_usd_1pct"] == Decimal("200.00")
    assert row_of(greeks, "XYZ-30-95-P")["gex_usd_1pct"] == Decimal("-200.00")
    assert row_of(greeks, PUT)["gex_usd_1pct"] is None
    assert row_of(greeks, "XYZ-30-80-P")["gex_usd_1pct"] == Decimal("0.00")
    assert greeks.drop("gex_usd_1pct").equals(model.drop("gex_usd_1pct"))


def test_without_forward_there_is_no_volatility_and_a_reason() -> None:
    greeks = greeks_of(chain(forward=101, venue_iv=0.4), spot=None)
    assert set(greeks["iv_reason"]) == {"no_forward"} and greeks["iv"].null_count() == greeks.height


def test_a_contract_past_its_instant_is_not_solved_but_a_venue_volatility_still_gives_floored_greeks() -> None:
    quotes = chain(forward=101, days=-0.001, venue_forward=101.0, strikes=[100, 105], bid=1.0, ask=1.1)
    greeks = greeks_of(edit(quotes, "XYZ--0.001-105-C", venue_iv=0.4))
    assert row_of(greeks, "XYZ--0.001-100-C")["iv_reason"] == "no_price"
    row = row_of(greeks, "XYZ--0.001-105-C")
    assert row["gamma"] > 0 and row["theta"] is None and row["tau"] < 0


def test_rows_come_back_in_the_order_given_and_do_not_depend_on_it() -> None:
    quotes = pl.concat([chain(forward=101, days=days, venue=venue, venue_forward=101.0) for days in (30, 60) for venue in ("b", "a")])
    greeks = greeks_of(quotes)
    assert greeks.schema == OPTION_GREEKS and greeks.select("venue", "instrument").equals(quotes.select("venue", "instrument"))
    shuffled = quotes.sample(fraction=1, shuffle=True, seed=1)
    assert greeks_of(shuffled).sort("venue", "instrument").equals(greeks.sort("venue", "instrument"))
    assert greeks_of(quotes.clear()).schema == OPTION_GREEKS


@pytest.mark.parametrize(("symbol", "least_gamma"), [("_SPX", 0.001), ("SPY", 0.01)])
def test_recorded_gammas_near_the_money_agree_with_the_venue(
    recordings: Path, calendar: TradingCalendar, symbol: str, least_gamma: float
) -> None:
    quotes, by_venue = recorded_cboe(recordings, "2026-08-03", symbol, calendar)
    greeks = option_greeks(quotes, expiry_forwards(quotes, by_venue))
    assert greeks["iv"].null_count() == 0
    is_put = quotes["option_type"] == "P"
    # In the money an American put holds early exercise, which the shared volatility leaves out.
    out_of_the_money = (quotes["strike"] < greeks["forward"]) == is_put
    both = greeks.with_columns(quotes["venue_gamma"]).filter(out_of_the_money & (quotes["venue_gamma"] >= least_gamma))
    ratio = both["gamma"] / both["venue_gamma"]
    assert both.height > 400
    assert ratio.median() == pytest.approx(1, abs=0.02)
    assert ratio.is_between(0.9, 1.1).mean() > 0.95  # type: ignore[operator]


def test_volatilities_solved_from_recorded_mids_agree_with_the_venue_near_the_money(recordings: Path, calendar: TradingCalendar) -> None:
    quotes, by_venue = recorded_cboe(recordings, "2026-08-03", "_SPX", calendar)
    forwards = expiry_forwards(quotes, by_venue)
    venue = option_greeks(quotes, forwards)
    solved = option_greeks(quotes.with_columns(venue_iv=pl.lit(None, dtype=pl.Float64)), forwards)
    assert set(solved["iv_source"]) >= {"mid"} and "venue" not in set(solved["iv_source"])
    near = (venue["gamma"] >= 0.001) & (venue["tau"] > 1 / 365)
    difference = (solved["iv"] - venue["iv"]).filter(near).abs()
    assert difference.median() < 0.003 and difference.quantile(0.95) < 0.01  # type: ignore[operator]
    assert solved["iv"].null_count() < 0.02 * solved.height


def test_a_recorded_snapshot_gives_the_same_bits_in_any_order(recordings: Path, calendar: TradingCalendar) -> None:
    quotes, by_venue = recorded_cboe(recordings, "2026-07-31", "SPY", calendar)
    quotes = quotes.with_columns(venue_iv=pl.when(pl.col("strike") % 2 == 0).then("venue_iv"))  # half of it is solved
    greeks = option_greeks(quotes, expiry_forwards(quotes, by_venue))
    for seed in range(3):
        shuffled = quotes.sample(fraction=1, shuffle=True, seed=seed)
        again = option_greeks(shuffled, expiry_forwards(shuffled, by_venue))
        assert greeks.equals(again.sort("instrument"), null_equal=True)
    half = quotes.filter(pl.col("expires_at") > pl.lit(quotes["expires_at"].median()))
    assert greeks.filter(pl.col("instrument").is_in(half["instrument"].implode())).equals(
        option_greeks(half, expiry_forwards(half, by_venue))
    )


def test_recorded_deribit_marks_give_back_the_volatility_of_the_venue(recordings: Path) -> None:
    quotes, by_venue = recorded_deribit(recordings)
    forwards = expiry_forwards(quotes, by_venue)
    only_marks = quotes.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in ("venue_iv", "bid", "ask"))
    solved = option_greeks(only_marks, forwards).join(quotes.select("instrument", "venue_iv", "strike", "mark"), on="instrument")
    near = solved.filter((pl.col("strike") / pl.col("forward") - 1).abs() < 0.1)
    # Each row has its own forward, all share the median: a tenth of a volatility point is what that leaves.
    assert (near["iv"] - near["venue_iv"]).abs().median() < 0.001  # type: ignore[operator]
    assert option_greeks(quotes, forwards)["iv_source"].unique().to_list() == ["venue"]
