"""The implied distribution of the settlement price (definitions §7, density)."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from models.market.calendar import TradingCalendar
from models.pricing.density import DENSITY_SUMMARY, IMPLIED_DENSITY, implied_density, probability_between
from models.pricing.lognormal_mixture import LognormalMixture, kernel_prices
from models.pricing.smile import expiry_smile
from tests.models.chain_frames import chain, recorded_cboe, recorded_deribit
from tests.models.pricing.line_frames import lines_of, one_expiry

TWO_HUMPS = LognormalMixture(np.array([85.0, 110.0]), np.array([0.08, 0.07]), np.array([0.4, 0.6]))  # mean 100


def densities_of(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    summary, kernels = implied_density(lines, expiry_smile(lines))
    assert summary.schema == DENSITY_SUMMARY and kernels.schema == IMPLIED_DENSITY
    return summary, kernels


def mixture_of(kernels: pl.DataFrame) -> LognormalMixture:
    return LognormalMixture(*(kernels[name].to_numpy() for name in ("mean", "width", "weight")))


def flat_chain(vol: float = 0.4, days: float = 30, forward: float = 100.0, half_spread: float = 0.01) -> pl.DataFrame:
    v = vol * math.sqrt(days / 365)
    strikes = np.unique(np.round(forward * np.exp(np.arange(-4, 4.01, 0.2) * v), 2))
    return chain(forward=forward, days=days, strikes=strikes, vol=vol, half_spread=half_spread, venue_forward=forward)


def two_humped_chain() -> pl.DataFrame:
    quotes = flat_chain(vol=0.55, days=30)
    strike, is_put = quotes["strike"].to_numpy(), (quotes["option_type"] == "P").to_numpy()
    prices = TWO_HUMPS.prices(strike, is_put) * math.exp(-0.04 * 30 / 365)
    return quotes.with_columns(bid=prices - 0.01, ask=prices + 0.01)


@settings(max_examples=15)
@given(st.floats(0.05, 1), st.floats(1, 400), st.floats(50, 150))
def test_a_flat_smile_gives_its_lognormal(vol: float, days: float, forward: float) -> None:
    v = vol * math.sqrt(days / 365)
    # Quotes as fine as the move is small.
    summary, kernels = densities_of(lines_of(flat_chain(vol, days, forward, half_spread=0.002 * v * forward)))
    levels = forward * np.exp(np.linspace(-5, 5, 101) * v)
    expected = ndtr((np.log(levels / forward) + v * v / 2) / v)
    np.testing.assert_allclose(mixture_of(kernels).probability_below(levels), expected, atol=0.003)
    assert summary["density_log_sd"][0] == pytest.approx(v, rel=0.02)
    assert abs(summary["density_log_skewness"][0]) < 0.1 and abs(summary["density_log_excess_kurtosis"][0]) < 0.4


def test_two_humps_come_back_as_two_humps() -> None:
    _, kernels = densities_of(lines_of(two_humped_chain()))
    mixture, levels = mixture_of(kernels), np.linspace(60, 140, 81)
    np.testing.assert_allclose(mixture.probability_below(levels), TWO_HUMPS.probability_below(levels), atol=0.02)
    left, valley, right = mixture.density(np.array([84.0, 97.0, 110.0]))
    assert left > 1.3 * valley and right > 1.3 * valley


def test_a_density_has_mass_one_no_negative_part_and_the_mean_of_the_forward() -> None:
    for quotes in (flat_chain(), two_humped_chain()):
        summary, kernels = densities_of(lines_of(quotes))
        mixture, levels = mixture_of(kernels), np.exp(np.linspace(-4, 12, 20_001))
        density = mixture.density(levels)
        assert (density >= 0).all() and (kernels["weight"] >= 0).all()
        assert np.trapezoid(density * levels, np.log(levels)) == pytest.approx(1, abs=1e-9)
        assert np.trapezoid(density * levels * levels, np.log(levels)) == pytest.approx(100, rel=1e-9)
        assert mixture.probability_below(np.array([0.0, np.inf])).tolist() == [0, pytest.approx(1, abs=1e-15)]
        assert summary["density_mean"][0] == pytest.approx(100, rel=2e-12)
        assert math.fsum(kernels["weight"]) == pytest.approx(1, abs=1e-15)


def test_moments_are_those_of_the_density() -> None:
    summary, kernels = densities_of(lines_of(two_humped_chain()))
    log_levels = np.linspace(-2, 2, 20_001)
    levels = 100 * np.exp(log_levels)
    weight = mixture_of(kernels).density(levels) * levels
    mean = np.trapezoid(weight * log_levels, log_levels)
    sd, third, fourth = (np.trapezoid(weight * (log_levels - mean) ** n, log_levels) for n in (2, 3, 4))
    row = summary.row(0, named=True)
    assert row["density_log_sd"] == pytest.approx(math.sqrt(sd), rel=1e-9)
    assert row["density_log_skewness"] == pytest.approx(third / sd**1.5, rel=1e-8)
    assert row["density_log_excess_kurtosis"] == pytest.approx(fourth / sd**2 - 3, rel=1e-8)


def test_prices_of_the_density_lie_within_the_quotes() -> None:
    quotes = two_humped_chain()
    lines = lines_of(quotes)
    summary, kernels = densities_of(lines)
    strike = lines["strike"].to_numpy()
    used = np.abs(np.log(strike / 100)) < 6 * expiry_smile(lines)["atm_iv"][0] * math.sqrt(30 / 365)
    is_put = strike < 100
    prices = mixture_of(kernels).prices(strike, is_put) * lines["discount"][0]
    bid, ask = (np.where(is_put, lines[f"put_{side}"], lines[f"call_{side}"]) for side in ("bid", "ask"))
    inside = ((bid <= prices) & (prices <= ask))[used & (bid > 0)]
    assert summary["density_inside_share"][0] == pytest.approx(inside.mean()) and inside.mean() >= 0.8
    assert summary["density_quotes"][0] == inside.size


def test_quoted_mass_and_tails_add_up_to_one_and_are_probabilities() -> None:
    lines = lines_of(flat_chain())
    summary, kernels = densities_of(lines)
    row = summary.row(0, named=True)
    assert row["density_quoted_mass"] + row["density_left_tail"] + row["density_right_tail"] == pytest.approx(1)
    strikes = lines.filter(((pl.col("strike") < 100) & (pl.col("put_bid") > 0)) | ((pl.col("strike") >= 100) & (pl.col("call_bid") > 0)))[
        "strike"
    ]
    low, high = strikes.min(), strikes.max()
    assert isinstance(low, float) and isinstance(high, float)
    between = probability_between(kernels, low, high)
    assert between["probability"][0] == pytest.approx(row["density_quoted_mass"])


@given(st.lists(st.floats(-60, 60), min_size=1, max_size=20), st.floats(0.001, 3), st.booleans())
def test_kernels_far_from_a_quote_are_priced_as_by_the_whole_formula(deviations: list[float], width: float, is_put: bool) -> None:
    strike = 100 * np.exp(np.array(deviations) * width)
    sign = -1.0 if is_put else 1.0
    d1 = np.log(100 / strike) / width + width / 2
    expected = sign * (100 * ndtr(sign * d1) - strike * ndtr(sign * (d1 - width)))
    prices = kernel_prices(strike, np.full(strike.size, is_put), np.array([100.0]), np.array([width]))[:, 0]
    assert (np.abs(prices - expected) <= 1e-14 * (100 + strike)).all()


def test_the_probability_between_two_prices() -> None:
    quotes = pl.concat([flat_chain(days=days) for days in (60, 30)])
    _, kernels = densities_of(lines_of(quotes))
    probabilities = probability_between(kernels, 95, 105)
    assert (
        probabilities.columns == ["venue", "book", "expires_at", "probability"]
        and probabilities["expires_at"].is_sorted()
        and probabilities.height == 2
    )
    for days, probability in zip((30, 60), probabilities["probability"], strict=True):
        v = 0.4 * math.sqrt(days / 365)
        low, high = (ndtr((math.log(level / 100) + v * v / 2) / v) for level in (95, 105))
        assert probability == pytest.approx(high - low, abs=0.002)
    assert probability_between(kernels, 0, math.inf)["probability"].to_list() == [1, 1]
    assert probability_between(kernels, -5, 100)["probability"].equals(probability_between(kernels, 0, 100)["probability"])
    assert probability_between(kernels, 105, 95)["probability"].to_list() == [0, 0]
    assert probability_between(kernels.clear(), 95, 105).is_empty()


def reason_of(lines: pl.DataFrame) -> str | None:
    summary, kernels = densities_of(lines)
    row = summary.row(0, named=True)
    assert kernels.is_empty() and row["density_mean"] is None and row["density_log_sd"] is None
    reason: str | None = row["density_reason"]
    return reason


def test_without_a_density_there_is_a_reason() -> None:
    assert reason_of(one_expiry([95.0, 105.0], [None, None])) == "no_iv"
    assert reason_of(one_expiry([95.0, 105.0], [0.4, 0.4], forward=None)) == "no_forward"
    assert reason_of(one_expiry([95.0, 105.0], [0.4, 0.4], tau=-1e-6)) == "settled"
    seven, eight = ([90 + 2.5 * n for n in range(count)] for count in (7, 8))
    assert reason_of(lines_of(chain(forward=100, strikes=seven, venue_forward=100.0))) == "few_quotes"
    assert reason_of(lines_of(chain(forward=100, strikes=eight, venue_forward=100.0))) == "unquoted_tails"
    zigzag = flat_chain(vol=0.4).with_columns(pl.col("bid", "ask") * (1 + 0.1 * (pl.col("strike").rank("dense") % 2)))
    assert reason_of(lines_of(zigzag)) == "outside_bid_ask"
    assert densities_of(one_expiry([], []))[0].is_empty()


def test_the_evidence_stays_where_there_is_no_density() -> None:
    summary, _ = densities_of(lines_of(chain(forward=100, strikes=[90 + 2.5 * n for n in range(9)], venue_forward=100.0)))
    row = summary.row(0, named=True)
    assert row["density_reason"] == "unquoted_tails" and row["density_quotes"] == 9 and row["density_inside_share"] == 1
    assert row["density_quoted_mass"] < 0.8 and row["density_left_tail"] > 0 and row["density_right_tail"] > 0


def test_quotes_beyond_double_precision_are_not_fitted() -> None:
    lines = one_expiry(np.geomspace(1e-3, 1e7, 30).tolist(), [10.0] * 30, call_bid=1.0, call_ask=1.1, put_bid=1.0, put_ask=1.1)
    lines = lines.with_columns(tau=pl.lit(4e4))
    assert reason_of(lines) in ("not_fitted", "outside_bid_ask")


def test_what_is_not_fitted_leaves_no_evidence() -> None:
    lines = one_expiry(np.geomspace(1e-3, 1e7, 30).tolist(), [400.0] * 30, call_bid=1.0, call_ask=1.1, put_bid=1.0, put_ask=1.1)
    summary, _ = densities_of(lines.with_columns(tau=pl.lit(4e4)))
    row = summary.row(0, named=True)
    assert row["density_reason"] == "not_fitted" and row["density_quotes"] == 30
    assert all(row[name] is None for name, dtype in DENSITY_SUMMARY.items() if dtype == pl.Float64)


def test_an_expiry_has_the_density_that_it_has_alone() -> None:
    quotes = [flat_chain(vol=vol, days=days) for vol, days in ((0.3, 7), (0.4, 30), (0.9, 90))]
    quotes.insert(1, chain(forward=100, days=14, strikes=[95, 100, 105], venue_forward=100.0))
    together = densities_of(lines_of(pl.concat(quotes)))
    alone = [densities_of(lines_of(one)) for one in quotes]
    assert together[0]["density_reason"].to_list() == [None, "few_quotes", None, None]
    assert all(whole.equals(pl.concat(parts)) for whole, parts in zip(together, zip(*alone, strict=True), strict=True))


def test_a_locked_quote_far_out_does_not_bend_the_density() -> None:
    quotes = flat_chain(half_spread=0.002)
    far = (pl.col("strike") > 150) & (pl.col("option_type") == "C")
    locked = quotes.with_columns(bid=pl.when(far).then(1e-4).otherwise("bid"), ask=pl.when(far).then(1e-4).otherwise("ask"))
    summary, kernels = densities_of(lines_of(locked))
    assert summary["density_mean"][0] == pytest.approx(100, rel=2e-12)
    v = 0.4 * math.sqrt(30 / 365)
    assert mixture_of(kernels).probability_below(np.array([100.0]))[0] == pytest.approx(ndtr(v / 2), abs=0.003)


@pytest.mark.parametrize(
    ("capture", "symbol", "least", "expiries"),
    [("2026-07-28", "_SPX", 59, 59), ("2026-08-03", "SPY", 20, 34), ("2026-08-03", "MOD", 4, 10)],
)
def test_recorded_expiries_have_densities(
    recordings: Path, calendar: TradingCalendar, capture: str, symbol: str, least: int, expiries: int
) -> None:
    quotes, by_venue = recorded_cboe(recordings, capture, symbol, calendar)
    lines = lines_of(quotes, by_venue)
    summary, kernels = densities_of(lines)
    assert summary.height == expiries and summary["density_reason"].null_count() >= least
    assert kernels.height == 61 * summary["density_reason"].null_count()
    if symbol == "MOD":  # wide quotes: every fit keeps to them, but the strikes listed stop short of the tails
        assert (summary["density_inside_share"] == 1).all() and set(summary["density_reason"].drop_nulls()) == {"unquoted_tails"}
    if symbol == "SPY":  # American puts hold early exercise: calls and puts tell of two forwards
        assert set(summary["density_reason"].drop_nulls()) == {"outside_bid_ask"}
    fitted = summary.with_columns(forward=expiry_smile(lines)["forward"]).filter(pl.col("density_reason").is_null())
    assert (fitted["density_mean"] / fitted["forward"] - 1).abs().max() < 1e-11  # type: ignore[operator]


def test_recorded_deribit_densities_are_wider_than_the_volatility_at_the_money(recordings: Path) -> None:
    lines = lines_of(*recorded_deribit(recordings))
    smile = expiry_smile(lines)
    summary, _ = implied_density(lines, smile)
    assert summary["density_reason"].null_count() == summary.height == 12
    ratio = summary["density_log_sd"] / (smile["atm_iv"] * smile["tau"].sqrt())
    assert ratio.is_between(1.0, 1.5).all() and (summary["density_log_skewness"] < 0).all()


def test_a_density_does_not_depend_on_the_order_of_quotes(recordings: Path) -> None:
    quotes, by_venue = recorded_deribit(recordings)
    once = densities_of(lines_of(quotes, by_venue))
    again = densities_of(lines_of(quotes.sample(fraction=1, shuffle=True, seed=1), by_venue))
    assert all(one.equals(other) for one, other in zip(once, again, strict=True))


FINGERPRINT = """
import hashlib
import polars as pl
from tests.models.default_models import gamma_ladder
from tests.models.pricing.line_frames import lines_of
from tests.models.chain_frames import chain
from models.pricing.density import implied_density
from models.pricing.smile import expiry_smile
strikes = [50 + 0.25 * n for n in range(400)]
market = {"forward": 100, "strikes": strikes, "vol": lambda strike: 0.4 + (100 - strike) / 500, "venue_forward": 100.0}
lines = lines_of(pl.concat([chain(days=days, **market) for days in (7, 90)]))
smile = expiry_smile(lines)
frames = [gamma_ladder(lines), smile, *implied_density(lines, smile)]
print(hashlib.sha256("".join(frame.write_ndjson() for frame in frames).encode()).hexdigest())
"""


@pytest.mark.slow
def test_the_number_of_threads_changes_no_bit() -> None:
    hashes = set()
    for threads in ("1", "2"):
        counts = dict.fromkeys(("POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), threads)
        run = [sys.executable, "-c", FINGERPRINT]
        checkout = Path(__file__).resolve().parents[3]
        done = subprocess.run(run, cwd=checkout, env=os.environ | counts, check=True, capture_output=True, text=True)
        hashes.add(done.stdout)
    assert len(hashes) == 1 and len(hashes.pop().strip()) == 64
