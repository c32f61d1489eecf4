"""Whatever the quotes: a density that is published integrates to one and is nowhere negative (definitions §7)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.market.calendar import TradingCalendar
from models.pricing.density import implied_density
from models.pricing.lognormal_mixture import LognormalMixture
from models.pricing.smile import expiry_smile
from tests.models.chain_frames import chain, recorded_cboe, recorded_deribit
from tests.models.pricing.line_frames import lines_of

GAUSS_NODES, GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(10)
REASONS = {"few_quotes", "not_fitted", "outside_bid_ask", "unquoted_tails"}


def assert_is_a_density(kernels: pl.DataFrame, forward: float) -> None:
    """Mass, sign and mean by Gauss quadrature in log-price, between points that stand one width apart around each kernel."""
    mixture = LognormalMixture(*(kernels[name].to_numpy() for name in ("mean", "width", "weight")))
    ends = np.unique(np.log(mixture.means) + np.arange(-12, 13)[:, None] * mixture.widths)
    half = np.diff(ends) / 2
    log_levels = (ends[:-1] + half + GAUSS_NODES[:, None] * half).T.ravel()
    mass = (GAUSS_WEIGHTS[:, None] * half).T.ravel()
    levels = np.exp(log_levels)
    density = mixture.density(levels)
    assert (density >= 0).all() and np.isfinite(density).all()
    assert (mixture.weights >= 0).all() and math.fsum(mixture.weights) == pytest.approx(1, abs=1e-14)
    assert (mass * density * levels).sum() == pytest.approx(1, abs=1e-9)
    assert (mass * density * levels**2).sum() == pytest.approx(forward, rel=1e-9)
    below = mixture.probability_below(levels)
    assert (np.diff(below) >= -1e-15).all(), "a probability never falls"
    assert below[0] == pytest.approx(0, abs=1e-12) and below[-1] == pytest.approx(1, abs=1e-12)


def noisy_chain(vol: float, slope: float, bend: float, days: float, forward: float, spread: float, noise: int) -> pl.DataFrame:
    """A smile with slope and bend, mids pushed about by up to four half spreads: prices that no density gives are among them."""
    v = vol * math.sqrt(days / 365)
    strikes = np.unique(np.round(forward * np.exp(np.arange(-4, 4.01, 0.25) * v), 4))

    def smile(strike: float) -> float:
        x = math.log(strike / forward) / v
        return max(vol * (1 + slope * x + bend * x * x), 0.2 * vol)

    half = spread * v * forward
    quotes = chain(forward=forward, days=days, strikes=strikes, vol=smile, half_spread=half, venue_forward=forward)
    moved = pl.Series(np.random.default_rng(noise).uniform(-4, 4, quotes.height) * half) if noise else pl.Series([0.0] * quotes.height)
    return quotes.with_columns(pl.col("bid", "ask") + moved)


@settings(max_examples=60)
@given(
    st.floats(0.05, 1.5), st.floats(-0.15, 0.15), st.floats(0, 0.08), st.floats(0.5, 700), st.floats(1, 100_000), st.floats(0.0005, 0.02),
    st.integers(0, 50),
)  # fmt: skip
def test_a_density_integrates_to_one_and_is_nowhere_negative(
    vol: float, slope: float, bend: float, days: float, forward: float, spread: float, noise: int
) -> None:
    lines = lines_of(noisy_chain(vol, slope, bend, days, forward, spread, noise), spot=forward)
    summary, kernels = implied_density(lines, expiry_smile(lines))
    if summary["density_reason"][0] is None:
        assert_is_a_density(kernels, forward)
    else:
        assert summary["density_reason"][0] in REASONS and kernels.is_empty()


def test_most_of_such_smiles_have_a_density() -> None:
    """So the property above is not one of empty frames."""
    reasons = []
    for number in range(24):
        lines = lines_of(noisy_chain(0.2 + number / 40, -0.1, 0.03, 5 + 20 * number, 100, 0.01, number if number % 3 == 0 else 0))
        reasons.append(implied_density(lines, expiry_smile(lines))[0]["density_reason"][0])
    assert reasons.count(None) >= 12


@pytest.mark.parametrize(
    ("capture", "symbol"), [("2026-07-28", "_SPX"), ("2026-08-03", "SPY"), ("2026-08-03", "MOD"), ("2026-03-13", "BTC")]
)
def test_every_density_of_recorded_chains_is_one(recordings: Path, calendar: TradingCalendar, capture: str, symbol: str) -> None:
    is_coin = symbol == "BTC"
    lines = lines_of(*(recorded_deribit(recordings) if is_coin else recorded_cboe(recordings, capture, symbol, calendar)))
    smile = expiry_smile(lines)
    forwards = {row[:3]: row[3] for row in smile.select("venue", "book", "expires_at", "forward").iter_rows()}
    _, kernels = implied_density(lines, smile)
    seen = 0
    for key, of_expiry in kernels.group_by(["venue", "book", "expires_at"], maintain_order=True):
        assert_is_a_density(of_expiry, forwards[key])
        seen += 1
    assert seen >= (4 if symbol == "MOD" else 12)
