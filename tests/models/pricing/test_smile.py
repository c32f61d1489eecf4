"""At-the-money volatility, straddle, 25-delta volatilities and expected moves (definitions §7)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from models.market.calendar import TradingCalendar
from models.pricing.smile import EXPIRY_SMILE, expiry_smile
from tests.models.chain_frames import chain, edit, recorded_cboe, recorded_deribit
from tests.models.pricing.line_frames import lines_of, one_expiry


def smile_of(lines: pl.DataFrame) -> dict[str, Any]:
    smiles = expiry_smile(lines)
    assert smiles.schema == EXPIRY_SMILE and smiles.height == 1
    return smiles.row(0, named=True)


def delta(strike: float, vol: float, *, forward: float = 100.0, tau: float = 0.25) -> float:
    """Size of the Black-76 forward delta of the out-of-the-money side."""
    s = vol * math.sqrt(tau)
    d1 = math.log(forward / strike) / s + s / 2
    return float(ndtr(-d1 if strike < forward else d1))


@given(st.floats(0.05, 0.6), st.floats(50, 150), st.floats(0.01, 2))
def test_a_flat_smile_gives_its_volatility(vol: float, forward: float, tau: float) -> None:
    strikes = (forward * np.exp(np.linspace(-3, 3, 41) * vol * math.sqrt(tau))).tolist()
    row = smile_of(one_expiry(strikes, [vol] * 41, forward=forward, tau=tau))
    for name in ("atm_iv", "put_25d_iv", "call_25d_iv"):
        assert row[name] == pytest.approx(vol, rel=1e-11)
    assert row["skew_25d"] == pytest.approx(0, abs=1e-11) and row["butterfly_25d"] == pytest.approx(0, abs=1e-11)
    assert row["expected_move_1sd"] == pytest.approx(100 * vol * math.sqrt(tau), rel=1e-11)
    assert row["expected_move_2sd"] == pytest.approx(2 * row["expected_move_1sd"], rel=1e-11)


def test_the_volatility_at_the_forward_is_linear_in_log_strike() -> None:
    row = smile_of(one_expiry([90.0, 95.0, 110.0, 120.0], [0.5, 0.4, 0.3, 0.2]))
    share = math.log(100 / 95) / math.log(110 / 95)
    assert row["atm_iv"] == pytest.approx(0.4 - 0.1 * share, rel=1e-11)
    assert smile_of(one_expiry([90.0, 100.0, 110.0], [0.5, 0.4, 0.3]))["atm_iv"] == 0.4


def test_strikes_without_volatility_are_passed_over() -> None:
    row = smile_of(one_expiry([90.0, 95.0, 105.0, 110.0], [0.4, None, None, 0.4]))
    assert row["atm_iv"] == pytest.approx(0.4)


def test_the_quarter_delta_lies_in_the_first_pair_from_the_forward_outwards() -> None:
    # Quarter of an hour's worth of bad quotes: delta falls below a quarter, rises above it and falls again.
    strikes, ivs = [100.0, 105.0, 110.0, 115.0, 120.0, 130.0], [0.2, 0.2, 0.2, 0.9, 0.2, 0.2]
    deltas = [delta(strike, iv) for strike, iv in zip(strikes, ivs, strict=True)]
    assert deltas[1] > 0.25 > deltas[2] and deltas[3] > 0.25 > deltas[4]
    assert smile_of(one_expiry(strikes, ivs))["call_25d_iv"] == pytest.approx(0.2, rel=1e-11)
    tilted = [0.20, 0.21, 0.23, 0.9, 0.2, 0.2]
    low, high = delta(105, 0.21), delta(110, 0.23)
    expected = 0.21 + 0.02 * (0.25 - low) / (high - low)
    assert smile_of(one_expiry(strikes, tilted))["call_25d_iv"] == pytest.approx(expected, rel=1e-11)


@given(st.floats(-1.0, 1.0), st.floats(0.15, 0.8), st.integers(0, 1000))
def test_the_quarter_delta_volatility_lies_between_those_of_strikes_that_bracket_it(slope: float, vol: float, seed: int) -> None:
    strikes = np.unique(np.round(np.random.default_rng(seed).uniform(40, 220, 40), 2))
    ivs = np.maximum(vol + slope * 0.1 * np.log(strikes / 100), 0.05)
    row = smile_of(one_expiry(strikes.tolist(), ivs.tolist()))
    deltas = np.array([delta(*pair) for pair in zip(strikes, ivs, strict=True)])
    for side, name in ((strikes < 100, "put"), (strikes >= 100, "call")):
        quarter_delta_iv, sizes = row[f"{name}_25d_iv"], deltas[side]
        if quarter_delta_iv is None:
            assert row[f"{name}_25d_reason"] == "no_bracket" and (sizes.min() > 0.25 or sizes.max() < 0.25)
            continue
        pairs = [
            (a, b)
            for a, b in zip(np.flatnonzero(side)[:-1], np.flatnonzero(side)[1:], strict=True)
            if (deltas[a] - 0.25) * (deltas[b] - 0.25) <= 0
        ]
        a, b = pairs[-1] if name == "put" else pairs[0]
        assert min(ivs[a], ivs[b]) - 1e-9 <= quarter_delta_iv <= max(ivs[a], ivs[b]) + 1e-9


def test_skew_is_put_minus_call_and_the_risk_reversal_its_negative() -> None:
    strikes = np.arange(60.0, 150.0, 2.5)
    row = smile_of(one_expiry(strikes.tolist(), (0.3 - 0.2 * np.log(strikes / 100)).tolist()))
    assert row["skew_25d"] == pytest.approx(row["put_25d_iv"] - row["call_25d_iv"], rel=1e-9) and row["skew_25d"] > 0
    assert row["risk_reversal_25d"] == -row["skew_25d"]
    assert row["butterfly_25d"] == pytest.approx((row["put_25d_iv"] + row["call_25d_iv"]) / 2 - row["atm_iv"], rel=1e-9)


def test_nothing_is_extrapolated() -> None:
    near = smile_of(one_expiry([99.0, 100.0, 101.0], [0.4, 0.4, 0.4]))
    assert near["put_25d_iv"] is None and near["put_25d_reason"] == "no_bracket"
    assert near["call_25d_iv"] is None and near["call_25d_reason"] == "no_bracket"
    assert near["skew_25d"] is None and near["butterfly_25d"] is None and near["atm_iv"] == 0.4
    above = smile_of(one_expiry([105.0, 110.0], [0.4, 0.4]))
    assert above["atm_iv"] is None and above["atm_iv_reason"] == "no_bracket" and above["put_25d_reason"] == "no_iv"
    assert above["expected_move_1sd"] is None


def test_where_every_put_out_of_the_money_has_less_than_a_quarter_there_is_no_such_put() -> None:
    strikes = np.geomspace(5, 2000, 41)  # at a total volatility of 2·N⁻¹(3/4) = 1.349 that of the put at the forward is a quarter
    row = smile_of(one_expiry(strikes.tolist(), [1.36] * 41, tau=1.0))
    assert (row["put_25d_iv"], row["put_25d_reason"]) == (None, "no_bracket")
    assert row["call_25d_iv"] == pytest.approx(1.36)


def test_what_is_missing_is_said() -> None:
    for lines, reason in (
        (one_expiry([95.0, 105.0], [None, None]), "no_iv"),
        (one_expiry([95.0, 105.0], [0.4, 0.4], forward=None), "no_forward"),
        (one_expiry([95.0, 105.0], [0.4, 0.4], tau=-1e-6), "settled"),
    ):
        row = smile_of(lines)
        assert [row[name] for name in ("atm_iv_reason", "put_25d_reason", "call_25d_reason", "straddle_reason")] == [reason] * 4
        assert [row[name] for name in ("atm_iv", "put_25d_iv", "skew_25d", "straddle", "straddle_1sd", "expected_move_1sd")] == [None] * 6
    assert expiry_smile(one_expiry([], [])).equals(pl.DataFrame(schema=EXPIRY_SMILE))


def test_the_straddle_is_at_the_quoted_strike_nearest_the_forward() -> None:
    quotes = chain(forward=102.6, strikes=[95, 100, 105, 110], venue_forward=102.6)
    row = smile_of(lines_of(quotes))
    assert (row["atm_strike"], row["straddle_source"]) == (105, "quotes")
    mids = quotes.filter(strike=105).select(((pl.col("bid") + pl.col("ask")) / 2).sum()).item()
    assert row["straddle"] == pytest.approx(mids, rel=1e-11)
    discount = math.exp(-0.04 * 30 / 365)
    assert row["straddle_1sd"] == pytest.approx(mids / discount * math.sqrt(math.pi / 2) * 100 / 102.6, rel=1e-11)
    assert row["straddle_2sd"] == pytest.approx(2 * row["straddle_1sd"], rel=1e-11)
    one_sided = edit(quotes, "XYZ-30-105-P", bid=None)
    assert smile_of(lines_of(one_sided))["atm_strike"] == 100


@pytest.mark.parametrize(("forward", "strikes"), [(102.5, [100, 105]), (100.35, [100.3, 100.4])])
def test_of_two_strikes_as_near_the_lower_one_is_taken(forward: float, strikes: list[float]) -> None:
    quotes = chain(forward=forward, strikes=[90, *strikes, 110], venue_forward=forward)
    assert smile_of(lines_of(quotes))["atm_strike"] == strikes[0]
    unquoted = quotes.with_columns(pl.lit(None, dtype=pl.Float64).alias("bid"), venue_iv=pl.lit(0.4))
    assert smile_of(lines_of(unquoted))["atm_strike"] == strikes[0]


def test_without_two_sided_quotes_the_model_prices_the_straddle() -> None:
    quotes = chain(forward=101, vol=0.4, venue_forward=101.0, venue_iv=0.4)
    quoted = smile_of(lines_of(quotes))
    row = smile_of(lines_of(quotes.with_columns(ask=pl.lit(None, dtype=pl.Float64))))
    assert (row["straddle_source"], row["atm_strike"]) == ("model", 100)
    assert row["straddle"] == pytest.approx(quoted["straddle"], rel=1e-10)
    no_vol = smile_of(one_expiry([90.0, 101.0, 110.0], [0.4, None, 0.4]))
    assert (no_vol["straddle"], no_vol["straddle_reason"], no_vol["atm_strike"]) == (None, "no_iv", 101)
    assert no_vol["atm_iv"] == pytest.approx(0.4)


def test_of_roots_that_settle_together_the_larger_one_speaks() -> None:
    roots = (("IDX", 0.2, 1.0), ("IDXW", 0.3, 9.0))
    chains = [chain(forward=100, book="IDX", root=root, vol=vol, oi_base=oi, venue_forward=100.0) for root, vol, oi in roots]
    row, weekly = smile_of(lines_of(pl.concat(chains))), smile_of(lines_of(chains[1]))
    assert row["oi_base"] == 180  # nine strikes, two sides, both roots
    assert {name: row[name] for name in row if name != "oi_base"} == {name: weekly[name] for name in weekly if name != "oi_base"}
    assert row["atm_iv"] == pytest.approx(0.3, abs=1e-9)


def test_open_interest_of_the_expiry_is_its_weight() -> None:
    assert smile_of(one_expiry([95.0, 105.0], [0.4, 0.4], call_oi=[0.1, 0.2], put_oi=[0.3, None]))["oi_base"] == 0.6
    assert smile_of(one_expiry([95.0, 105.0], [0.4, 0.4]))["oi_base"] is None


def test_recorded_straddles_and_volatilities_tell_the_same_move(recordings: Path, calendar: TradingCalendar) -> None:
    for quotes, by_venue in (recorded_cboe(recordings, "2026-08-03", "_SPX", calendar), recorded_deribit(recordings)):
        smiles = expiry_smile(lines_of(quotes, by_venue))
        assert smiles["atm_iv"].null_count() == smiles["skew_25d"].null_count() == 0
        assert set(smiles["straddle_source"]) == {"quotes"}
        ratio = smiles["straddle_1sd"] / smiles["expected_move_1sd"]
        assert ratio.is_between(0.92, 1.05).all() and ratio.median() == pytest.approx(1, abs=0.01)
        assert (smiles["skew_25d"] > 0).all()


def test_a_recorded_smile_does_not_depend_on_the_order_of_quotes(recordings: Path) -> None:
    quotes, by_venue = recorded_deribit(recordings)
    smiles = expiry_smile(lines_of(quotes, by_venue))
    assert smiles.equals(expiry_smile(lines_of(quotes.sample(fraction=1, shuffle=True, seed=1), by_venue)))
